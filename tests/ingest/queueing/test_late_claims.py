"""Claims that come too late, twice, or after their module was invalidated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from symbolon_server.cache.invalidations import MOST_MODULES, InvalidationLog
from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import LINE_KEY, RUNNING_KEY
from symbolon_server.redis_servers.servers import Timeouts, connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.symbol_files import numbered_module
from tests.system.redis.redis_proxy import RedisProxy

IMPATIENT = Timeouts(0.2, 0.2)
LONG_SECONDS = 600.0


def claim(desk: ClaimDesk) -> Claim:
    found = desk.claim()
    assert isinstance(found, Claim)
    return found


@pytest.mark.promise("A module has a job if and only if it is in line or running", group="ingests")
@pytest.mark.parametrize(
    "late", [ClaimDesk.renew, ClaimDesk.give_back, ClaimDesk.end], ids=lambda late: late.__name__
)
def test_a_worker_that_has_a_module_again_is_not_disturbed_by_its_own_earlier_claim(
    queue: IngestQueue,
    hasty_desk: ClaimDesk,
    xul: ModuleId,
    late: Callable[[ClaimDesk, Claim], bool],
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    first, second = claim(hasty_desk), claim(hasty_desk)
    assert (first.module_id, first.attempts) == (second.module_id, 1) == (xul, 1)
    assert second.attempts == 2
    late(hasty_desk, first)
    assert queue.length() == 0
    assert queue.find_ended([xul]) == frozenset()
    assert hasty_desk.renew(second)
    assert hasty_desk.end(second)
    assert queue.find_ended([xul]) == {xul}


@pytest.fixture
def log(redis_cache: redis.Redis, queue: IngestQueue) -> InvalidationLog:
    del queue  # emptied the cache
    return InvalidationLog(KeyedCache(redis_cache))


def invalidate(log: InvalidationLog, *module_ids: ModuleId) -> None:
    assert log.add(module_ids, log.read_since(0, "").epoch)


@pytest.mark.promise("A module has a job if and only if it is in line or running")
@pytest.mark.parametrize("earlier", [0, MOST_MODULES], ids=["few", "full"])
def test_a_module_invalidated_since_it_was_claimed_goes_back_to_its_place(
    redis_cache: redis.Redis,
    queue: IngestQueue,
    desk: ClaimDesk,
    log: InvalidationLog,
    earlier: int,
) -> None:
    if earlier:
        invalidate(log, *map(numbered_module, range(1_000, 1_000 + earlier)))
    first, second, *_ = modules = [numbered_module(number) for number in range(5)]
    queue.enqueue(dict.fromkeys(modules, (7,)), Band.AWAITED)
    place = redis_cache.zscore(LINE_KEY, str(first))
    held = claim(desk)
    assert held.module_id == first
    invalidate(log, first)
    assert not desk.end(held)
    assert redis_cache.zscore(RUNNING_KEY, str(first)) is not None
    assert desk.give_back(held)
    assert redis_cache.zscore(LINE_KEY, str(first)) == place
    again = claim(desk)
    assert (again.module_id, again.attempts, again.wanted) == (first, 1, frozenset({7}))
    assert desk.end(again)
    assert claim(desk).module_id == second


def test_an_invalidation_of_a_module_is_one_of_its_variant(
    queue: IngestQueue, desk: ClaimDesk, log: InvalidationLog, xul: ModuleId
) -> None:
    variant = xul.with_linkage_names
    queue.enqueue({variant: (7,)}, Band.AWAITED)
    held = claim(desk)
    assert held.module_id == variant
    invalidate(log, xul)
    assert not desk.end(held)
    assert desk.give_back(held)
    again = claim(desk)
    assert again.freshness.stale_before == again.freshness.as_of > held.freshness.as_of
    assert desk.end(again)


@pytest.mark.promise("A module has a job if and only if it is in line or running")
def test_a_job_whose_invalidation_may_have_been_dropped_starts_again(
    queue: IngestQueue, desk: ClaimDesk, log: InvalidationLog, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    held = claim(desk)
    invalidate(log, xul)
    invalidate(log, *map(numbered_module, range(MOST_MODULES)))
    assert xul not in log.read_since(0, "").numbers
    assert not desk.end(held)
    assert desk.give_back(held)
    assert desk.end(claim(desk))


@pytest.fixture
def late_replies(
    redis_cache: redis.Redis, redis_cache_url: str, tmp_path: Path
) -> Iterator[redis.Redis]:
    """A client whose replies come after its timeout, although its commands are executed."""
    for script in (scripts.ENQUEUE, scripts.CLAIM, scripts.END, scripts.GIVE_BACK):
        redis_cache.script_load(script)  # else the reply would be NOSCRIPT, and late
    socket = Path(redis_cache_url.removeprefix("unix://"))
    proxy = RedisProxy(tmp_path / "proxy", socket)
    with connect(f"unix://{tmp_path}/proxy", IMPATIENT) as client:
        client.ping()
        with proxy.delaying(LONG_SECONDS):
            yield client
    proxy.close()


@contextmanager
def timing_out() -> Iterator[None]:
    with pytest.raises(CacheUnavailableError, match=r"does not answer|[Tt]ime"):
        yield


@pytest.mark.promise("A module has a job if and only if it is in line or running")
def test_what_is_queued_again_because_the_reply_was_late_is_one_job(
    queue: IngestQueue, desk: ClaimDesk, late_replies: redis.Redis, xul: ModuleId
) -> None:
    with timing_out():
        IngestQueue(late_replies).enqueue({xul: [1, 2]}, Band.AWAITED)
    assert queue.enqueue({xul: [1, 2]}, Band.AWAITED).added == 0
    taken = claim(desk)
    assert (taken.module_id, taken.attempts, taken.wanted) == (xul, 1, frozenset({1, 2}))
    assert isinstance(desk.claim(), NothingToClaim)


def test_a_claim_whose_reply_was_late_is_free_after_its_lease(
    redis_cache: redis.Redis, queue: IngestQueue, late_replies: redis.Redis, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    with timing_out():
        ClaimDesk(late_replies, LONG_SECONDS).claim()
    desk = ClaimDesk(redis_cache, lease_seconds=0.2)
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    while isinstance(found := desk.claim(), NothingToClaim):
        desk.wait(nothing, 0.05)
    assert (found.module_id, found.attempts) == (xul, 2)


def test_an_end_that_is_sent_again_because_the_reply_was_late_ends_nothing_else(
    queue: IngestQueue, desk: ClaimDesk, late_replies: redis.Redis, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    held = claim(desk)
    with timing_out():
        ClaimDesk(late_replies, LONG_SECONDS).end(held)
    assert queue.find_ended([xul]) == {xul}
    queue.enqueue({xul: []}, Band.AWAITED)
    assert desk.end(held)
    assert queue.length() == 1
    assert claim(desk).attempts == 1


def test_a_job_given_back_again_because_the_reply_was_late_is_in_line_once(
    queue: IngestQueue, desk: ClaimDesk, late_replies: redis.Redis, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    held = claim(desk)
    with timing_out():
        ClaimDesk(late_replies, LONG_SECONDS).give_back(held)
    assert not desk.give_back(held)
    assert queue.length() == 1
    assert claim(desk).attempts == 1
