"""The operators' view of the queue: its bands, its longest wait, its running ingests."""

import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.queue_view import MOST_LISTED, QueueOverview, QueueView
from symbolon_server.ingest.queueing.scripts import (
    JOB_PREFIX,
    LINE_KEY,
    RUNNING_KEY,
    SPOOLED_KEY,
    SPOOLS_KEY,
)
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.symbol_files import numbered_module

MANY = 10_000


@pytest.fixture
def view(redis_cache: redis.Redis, queue: IngestQueue) -> QueueView:
    del queue  # emptied the cache
    return QueueView(redis_cache, Circuit())


def let_pass(client: redis.Redis, module_id: ModuleId, seconds: int, field: str) -> None:
    """Move a time of a job further into the past."""
    client.hincrby(JOB_PREFIX + str(module_id), field, -1000 * seconds)


def test_the_view_of_an_empty_queue_is_empty(view: QueueView) -> None:
    assert view.read() == QueueOverview(dict.fromkeys(Band, 0), None, [], 0)


def test_the_view_has_the_length_of_each_band_and_the_running_ingests(
    redis_cache: redis.Redis, queue: IngestQueue, view: QueueView, xul: ModuleId
) -> None:
    queue.enqueue({xul: ()}, Band.AWAITED, "crashes")
    desk = ClaimDesk(redis_cache, lease_seconds=60, worker="host:7")
    assert isinstance(desk.claim(), Claim)
    for band in Band:
        some = [numbered_module(10 * band + number) for number in range(band + 1)]
        queue.enqueue(dict.fromkeys(some, ()), band)
    let_pass(redis_cache, xul, 30, "since")
    overview = view.read()
    assert overview.lengths == {Band.AWAITED: 1, Band.WANTED: 2, Band.PREFETCH: 3}
    [running] = overview.running
    assert (running.module_id, running.worker, running.attempts) == (xul, "host:7", 1)
    assert running.caller == "crashes"
    assert 30 <= (running.seconds or 0) < 90
    assert overview.total_running == 1


@pytest.mark.parametrize("band", Band)
def test_the_longest_wait_is_found_behind_other_programs_entries(
    redis_cache: redis.Redis, queue: IngestQueue, view: QueueView, xul: ModuleId, band: Band
) -> None:
    for caller in range(20):
        some = {numbered_module(caller * 50 + number): () for number in range(50)}
        queue.enqueue(some, Band.PREFETCH, f"caller {caller}")
    queue.enqueue({xul: ()}, band, "one more")
    let_pass(redis_cache, xul, 300, "queued")
    assert 300 <= (view.read().longest_wait_seconds or 0) < 360


def test_at_most_a_hundred_running_ingests_are_listed_longest_first(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, view: QueueView
) -> None:
    many = [numbered_module(number) for number in range(MOST_LISTED + 5)]
    queue.enqueue(dict.fromkeys(many, ()), Band.WANTED)
    for _ in many:
        assert isinstance(desk.claim(), Claim)
    let_pass(redis_cache, many[7], 100, "since")
    overview = view.read()
    assert (len(overview.running), overview.total_running) == (MOST_LISTED, len(many))
    assert overview.running[0].module_id == many[7]


@pytest.mark.parametrize("field", [b"nan", b"inf", b"", b"x", b"-1", b"9" * 40, b"\xff\x1b[2J"])
def test_fields_written_by_other_programs_are_shown_as_far_as_valid(
    redis_cache: redis.Redis,
    queue: IngestQueue,
    view: QueueView,
    xul: ModuleId,
    field: bytes,
) -> None:
    desk, other = ClaimDesk(redis_cache, lease_seconds=60), numbered_module(1)
    queue.enqueue({xul: ()}, Band.AWAITED)
    assert isinstance(desk.claim(), Claim)
    queue.enqueue({other: ()}, Band.AWAITED)
    redis_cache.zadd(RUNNING_KEY, {b"\xff": 1})
    redis_cache.zadd(LINE_KEY, {b"\xff": 1})
    for name in ("queued", "since", "attempts", "caller", "worker"):
        for module_id in (xul, other):
            redis_cache.hset(JOB_PREFIX + str(module_id), name, field)
    overview = view.read()
    [running] = overview.running
    assert running.module_id == xul
    assert running.worker.isprintable()
    assert 0 <= running.attempts < 2**32
    assert overview.total_running == 2
    for module_id in (xul, other):
        redis_cache.set(JOB_PREFIX + str(module_id), "of another type")
    assert view.read().running[0].seconds is None


@pytest.mark.promise("A step of the queue costs the cache the same, however much is queued")
def test_a_long_queue_costs_no_more_than_a_short_one(
    redis_cache: redis.Redis, queue: IngestQueue, view: QueueView
) -> None:
    queue.enqueue({numbered_module(number): () for number in range(MOST_LISTED)}, Band.PREFETCH)
    few = commands_of(redis_cache, view)
    some = range(MOST_LISTED, MANY)
    queue.enqueue({numbered_module(number): () for number in some}, Band.PREFETCH)
    assert commands_of(redis_cache, view) == few


def commands_of(client: redis.Redis, view: QueueView) -> int:
    """Return how many commands Redis ran for one reading."""
    view.read()
    client.config_resetstat()
    view.read()
    stats = client.info("commandstats")
    return sum(int(of["calls"]) for name, of in stats.items() if "config" not in name)


def test_a_dead_cache_is_an_error_of_ours() -> None:
    with connect("unix:///nonexistent/socket") as client, pytest.raises(CacheUnavailableError):
        QueueView(client, Circuit()).read()


def test_an_ingest_is_listed_beside_many_that_were_handed_on(
    redis_cache: redis.Redis, queue: IngestQueue, view: QueueView, xul: ModuleId
) -> None:
    handed_on = [numbered_module(number) for number in range(2 * MOST_LISTED)]
    redis_cache.zadd(SPOOLED_KEY, {str(module_id): 7 for module_id in handed_on})
    redis_cache.zadd(SPOOLS_KEY, {"7": int(redis_cache.time()[0]) * 1000})
    queue.enqueue(dict.fromkeys([*handed_on, xul], ()), Band.AWAITED)
    desk = ClaimDesk(redis_cache, lease_seconds=900, worker="host:7", patience_seconds=600)
    assert isinstance(desk.claim(), Claim)
    overview = view.read()
    assert [one.worker for one in overview.running if one.module_id == xul] == ["host:7"]
    assert len(overview.running) == MOST_LISTED
