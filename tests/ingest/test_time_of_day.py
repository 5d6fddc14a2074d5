"""Leases and queues on a Redis whose time of day is set.

A clock that goes back by an hour is, to everything that Redis keeps, the same as times that are
later by an hour: so the times are moved here, and nobody's clock is touched.
"""

import redis

from symbolon_server.ingest.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.jobs import Claim, Priority, job_id_for
from symbolon_server.ingest.queue import IngestQueue
from symbolon_server.ingest.scripts import JOB_PREFIX, QUEUE_KEYS, RUNNING_KEY
from symbolon_server.symbols.module_ids import ModuleId

HOUR_MS = 3_600_000


def set_back(client: redis.Redis, milliseconds: int, module_id: ModuleId) -> None:
    """Let the clock of Redis go back, as far as a module's job can tell."""
    job_id = job_id_for(module_id)
    if client.zscore(RUNNING_KEY, job_id) is not None:
        client.zincrby(RUNNING_KEY, milliseconds, job_id)
    client.hincrby(JOB_PREFIX + job_id, "seen_in_queue", milliseconds)


def test_a_job_whose_worker_died_is_free_within_its_lease_after_the_time_was_set_back(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
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
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
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


def test_a_job_whose_place_in_the_queue_was_lost_blocks_nobody_after_the_time_was_set_back(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    set_back(redis_cache, HOUR_MS, xul)
    redis_cache.delete(*QUEUE_KEYS)
    assert queue.enqueue({xul: []}, Priority.INTERACTIVE) == 1
