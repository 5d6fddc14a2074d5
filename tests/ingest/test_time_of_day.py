"""Leases and queues on a Redis whose time of day is set.

A clock that goes back by an hour is, to everything that Redis keeps, the same as times that are
later by an hour: so the times are moved here, and nobody's clock is touched.
"""

import redis

from symbolon_server.ingest.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.jobs import Band, Claim
from symbolon_server.ingest.queue import IngestQueue
from symbolon_server.ingest.scripts import AWAITED_KEY, LINE_KEY, RUNNING_KEY
from symbolon_server.symbols.module_ids import ModuleId

HOUR_MS = 3_600_000


def set_back(client: redis.Redis, milliseconds: int, module_id: ModuleId) -> None:
    """Let the clock of Redis go back, as far as a module's job can tell."""
    for key in (RUNNING_KEY, AWAITED_KEY):
        if client.zscore(key, str(module_id)) is not None:
            client.zincrby(key, milliseconds, str(module_id))


def test_a_job_whose_worker_died_is_free_within_its_lease_after_the_time_was_set_back(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    desk = ClaimDesk(redis_cache, lease_seconds=0.2)
    assert isinstance(desk.claim(), Claim)
    set_back(redis_cache, HOUR_MS, xul)
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    while isinstance(found := desk.claim(), NothingToClaim):
        desk.wait(nothing, 0.05)
    assert (found.module_id, found.attempts) == (xul, 2)


def test_a_job_that_goes_on_when_the_time_is_set_forward_is_done_twice_at_most(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    first = desk.claim()
    assert isinstance(first, Claim)
    set_back(redis_cache, -HOUR_MS, xul)
    second = desk.claim()
    assert isinstance(second, Claim)
    assert isinstance(desk.claim(), NothingToClaim)
    desk.end(first)
    assert queue.find_ended([xul]) == frozenset()
    desk.end(second)
    assert queue.find_ended([xul]) == {xul}


def test_a_job_that_somebody_waited_for_is_done_after_the_time_was_set(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    for hours in (1, 3, -1):
        queue.enqueue({xul: []}, Band.AWAITED)
        set_back(redis_cache, hours * HOUR_MS, xul)
        found = desk.claim()
        assert isinstance(found, Claim)
        desk.end(found)


def test_a_job_whose_place_in_the_line_was_lost_blocks_nobody_after_the_time_was_set_back(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    set_back(redis_cache, HOUR_MS, xul)
    redis_cache.delete(LINE_KEY)
    assert queue.enqueue({xul: []}, Band.AWAITED).added == 1
