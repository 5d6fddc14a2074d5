"""Jobs whose modules lie in the spool of another host go to the workers of that host."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import (
    BELL_KEY,
    HANDED_PREFIX,
    MOST_SPOOLED,
    RUNNING_KEY,
    SPOOLED_KEY,
    SPOOLS_KEY,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.symbol_files import numbered_module

OURS, THEIRS = 1, 2**48
PATIENCE_SECONDS = 600.0

DeskOf = Callable[[int], ClaimDesk]


@pytest.fixture
def desk_of(redis_cache: redis.Redis, queue: IngestQueue) -> DeskOf:
    """Return the desk of a worker with that spool."""
    del queue  # emptied the cache

    def make(spool: int) -> ClaimDesk:
        return ClaimDesk(redis_cache, 60.0, spool=spool, patience_seconds=PATIENCE_SECONDS)

    return make


def claim(desk: ClaimDesk) -> Claim:
    found = desk.claim()
    assert isinstance(found, Claim)
    return found


def spool_it(queue: IngestQueue, desk: ClaimDesk, module_id: ModuleId) -> None:
    """Let the worker of a desk ingest a module, so that its spool has it."""
    queue.enqueue({module_id: ()}, Band.AWAITED)
    assert desk.end(claim(desk), is_spooled=True)


@pytest.mark.parametrize("band", Band)
def test_a_job_goes_to_the_spool_that_has_its_module(
    queue: IngestQueue, desk_of: DeskOf, xul: ModuleId, libc: ModuleId, band: Band
) -> None:
    ours, theirs = desk_of(OURS), desk_of(THEIRS)
    spool_it(queue, theirs, xul)
    queue.enqueue({xul: [7]}, band)
    queue.enqueue({libc: ()}, band)
    assert claim(ours).module_id == libc
    nothing = ours.claim()
    assert isinstance(nothing, NothingToClaim)
    assert queue.find_ended([xul]) == frozenset()
    taken = claim(theirs)
    assert (taken.module_id, taken.attempts, taken.wanted) == (xul, 1, frozenset({7}))
    assert theirs.end(taken)
    assert queue.find_ended([xul]) == {xul}


@pytest.mark.parametrize("spool", [0, THEIRS])
def test_a_job_is_claimed_at_once_by_a_worker_that_has_the_module_or_if_no_spool_has_it(
    queue: IngestQueue, desk_of: DeskOf, xul: ModuleId, spool: int
) -> None:
    spool_it(queue, desk_of(spool), xul)
    queue.enqueue({xul: ()}, Band.AWAITED)
    assert claim(desk_of(THEIRS)).module_id == xul


def test_a_job_does_not_wait_for_a_host_without_idle_workers(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    spool_it(queue, desk_of(THEIRS), xul)
    queue.enqueue({xul: ()}, Band.AWAITED)
    redis_cache.zincrby(SPOOLS_KEY, -1000 * PATIENCE_SECONDS, str(THEIRS))
    assert claim(desk_of(OURS)).module_id == xul


def test_a_job_that_the_other_host_does_not_take_is_anybodys_and_handed_on_no_more(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    spool_it(queue, desk_of(THEIRS), xul)
    queue.enqueue({xul: ()}, Band.AWAITED)
    desk = desk_of(OURS)
    assert isinstance(desk.claim(), NothingToClaim)
    redis_cache.zadd(RUNNING_KEY, {str(xul): 1})
    redis_cache.zincrby(SPOOLS_KEY, -1000 * PATIENCE_SECONDS, str(THEIRS))
    found = claim(desk)
    assert (found.module_id, found.attempts) == (xul, 1)
    # What is left of the hand-over gives the other host no second claim.
    assert isinstance(desk_of(THEIRS).claim(), NothingToClaim)
    assert desk.give_back(found)
    assert claim(desk).module_id == xul


def test_a_job_that_was_handed_on_waits_while_the_other_host_takes_others(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    theirs = desk_of(THEIRS)
    spool_it(queue, theirs, xul)
    queue.enqueue({xul: ()}, Band.AWAITED)
    for _ in range(2):
        assert isinstance(desk_of(OURS).claim(), NothingToClaim)
        redis_cache.zadd(RUNNING_KEY, {str(xul): 1})
    assert claim(theirs).attempts == 1


@pytest.mark.parametrize("is_foreign", [False, True])
def test_a_job_that_was_handed_on_is_anybodys_if_the_other_host_cannot_find_it(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId, is_foreign: bool
) -> None:
    theirs = desk_of(THEIRS)
    spool_it(queue, theirs, xul)
    queue.enqueue({xul: ()}, Band.AWAITED)
    assert isinstance(desk_of(OURS).claim(), NothingToClaim)
    redis_cache.delete(f"{HANDED_PREFIX}{THEIRS}")
    if is_foreign:
        redis_cache.set(f"{HANDED_PREFIX}{THEIRS}", "foreign")
    assert isinstance(theirs.claim(), NothingToClaim)
    redis_cache.zadd(RUNNING_KEY, {str(xul): 1})
    assert claim(desk_of(OURS)).module_id == xul


def test_a_dead_workers_job_is_found_behind_many_that_were_handed_on(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    ours, theirs = desk_of(OURS), desk_of(THEIRS)
    modules = [numbered_module(number) for number in range(50)]
    for module_id in modules:
        spool_it(queue, theirs, module_id)
    queue.enqueue({xul: ()}, Band.AWAITED)
    assert claim(ours).module_id == xul
    queue.enqueue(dict.fromkeys(modules, ()), Band.AWAITED)
    assert isinstance(ours.claim(), NothingToClaim)
    redis_cache.zadd(RUNNING_KEY, {**{str(module_id): 1 for module_id in modules}, str(xul): 2})
    assert claim(ours).module_id == xul


def test_jobs_that_callers_wait_for_come_before_prefetches_that_were_handed_on(
    queue: IngestQueue, desk_of: DeskOf, xul: ModuleId, libc: ModuleId
) -> None:
    theirs = desk_of(THEIRS)
    spool_it(queue, theirs, xul)
    queue.enqueue({xul: ()}, Band.PREFETCH)
    assert isinstance(desk_of(OURS).claim(), NothingToClaim)
    queue.enqueue({libc: ()}, Band.AWAITED)
    assert [claim(theirs).module_id, claim(theirs).module_id] == [libc, xul]


def test_a_caller_who_waits_for_a_module_that_was_handed_on_moves_it_up(
    queue: IngestQueue, desk_of: DeskOf
) -> None:
    theirs = desk_of(THEIRS)
    modules = [numbered_module(number) for number in range(3)]
    for module_id in modules:
        spool_it(queue, theirs, module_id)
    queue.enqueue(dict.fromkeys(modules, ()), Band.PREFETCH)
    assert isinstance(desk_of(OURS).claim(), NothingToClaim)
    queue.enqueue({modules[2]: ()}, Band.AWAITED)
    found = claim(theirs)
    assert found.module_id == modules[2]
    assert theirs.give_back(found)
    assert queue.get_lengths()[Band.AWAITED] == 1


def test_callers_take_turns_in_what_is_handed_on(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf
) -> None:
    theirs = desk_of(THEIRS)
    modules = [numbered_module(number) for number in range(6)]
    for module_id in modules:
        spool_it(queue, theirs, module_id)
    many, few = modules[:5], modules[5]
    queue.enqueue(dict.fromkeys([*many, numbered_module(9)], ()), Band.AWAITED, "many")
    redis_cache.zincrby(SPOOLS_KEY, -1000 * PATIENCE_SECONDS, str(THEIRS))
    assert claim(desk_of(OURS)).module_id == many[0]
    claim(theirs)  # it is there again
    queue.enqueue({few: ()}, Band.AWAITED, "few")
    assert claim(desk_of(OURS)).module_id == numbered_module(9)
    assert [claim(theirs).module_id for _ in range(2)] == [many[2], few]


def test_a_host_that_comes_back_takes_a_job_at_once_after_many_that_others_took(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    theirs = desk_of(THEIRS)
    spool_it(queue, theirs, xul)
    taken = {str(numbered_module(number)): 0 for number in range(50)}
    redis_cache.zadd(f"{HANDED_PREFIX}{THEIRS}", taken)
    queue.enqueue({xul: ()}, Band.AWAITED)
    assert isinstance(desk_of(OURS).claim(), NothingToClaim)
    assert claim(theirs).module_id == xul


def test_a_waiting_worker_hears_of_a_job_that_is_handed_on_to_it(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    ours, theirs = desk_of(OURS), desk_of(THEIRS)
    spool_it(queue, theirs, xul)
    queue.enqueue({xul: ()}, Band.AWAITED)
    entries: Any = redis_cache.xrevrange(BELL_KEY, count=1)
    assert isinstance(ours.claim(), NothingToClaim)
    theirs.wait(NothingToClaim(entries[0][0]), 60.0)
    assert claim(theirs).module_id == xul


@pytest.mark.promise("The queue remembers where a bounded number of modules is spooled")
def test_only_so_many_modules_have_a_remembered_spool(
    redis_cache: redis.Redis, queue: IngestQueue, desk_of: DeskOf, xul: ModuleId
) -> None:
    names = [str(numbered_module(number)) for number in range(MOST_SPOOLED)]
    for start in range(0, MOST_SPOOLED, 10_000):
        redis_cache.zadd(SPOOLED_KEY, dict.fromkeys(names[start : start + 10_000], OURS))
    spool_it(queue, desk_of(THEIRS), xul)
    assert redis_cache.zcard(SPOOLED_KEY) == MOST_SPOOLED
