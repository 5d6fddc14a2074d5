"""Callers wait together, are woken by announcements, and never miss one."""

import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.announcements import RECHECK_SECONDS
from symbolon_server.ingest.queueing.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.queueing.queue import Enqueued, IngestQueue, Look
from symbolon_server.ingest.queueing.scripts import (
    AWAITED_KEY,
    ENDED_CHANNEL,
    RUNNING_KEY,
    WAITS_MS,
)
from symbolon_server.ingest.queueing.waiting import LOOKS_FOR_ALL
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.symbol_files import numbered_module

LONG = 60.0
"""Seconds; no test waits that long if it passes."""


def claim(desk: ClaimDesk) -> Claim:
    found = desk.claim()
    assert isinstance(found, Claim)
    return found


def wait_until_heard(client: redis.Redis, listeners: int = 1) -> None:
    """Return when this many loaders listen for announcements."""
    while dict(client.pubsub_numsub(ENDED_CHANNEL)).get(ENDED_CHANNEL.encode(), 0) < listeners:
        threading.Event().wait(0.001)


@pytest.fixture
def loader(redis_cache: redis.Redis, queue: IngestQueue) -> Iterator[ModuleLoader]:
    """A loader that only announcements can wake, as it checks the queue only once an hour."""
    del queue  # emptied the cache
    loader = ModuleLoader(redis_cache, recheck_seconds=3600)
    loader.start()
    wait_until_heard(redis_cache)
    yield loader
    loader.close()


def test_an_announcement_wakes_waiting_callers(
    loader: ModuleLoader, desk: ClaimDesk, xul: ModuleId
) -> None:
    with loader.load({xul: [1]}) as pending, ThreadPoolExecutor(1) as pool:
        assert pending.ended == frozenset()
        pool.submit(lambda: desk.end(claim(desk)))
        pending.wait(LONG)
        assert pending.ended == {xul}


def test_a_wait_ends_at_its_timeout(loader: ModuleLoader, xul: ModuleId) -> None:
    with loader.load({xul: [1]}) as pending:
        pending.wait(0.0)
        pending.wait(-1.0)
        assert pending.ended == frozenset()


def test_a_wait_ends_when_all_modules_have_ended(
    loader: ModuleLoader, desk: ClaimDesk, xul: ModuleId, libc: ModuleId
) -> None:
    with loader.load({xul: [1], libc: [2]}) as pending:
        first = claim(desk)
        desk.end(first)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(pending.wait, LONG)
            desk.end(claim(desk))
            waiting.result()
        assert pending.ended == {xul, libc}


def test_many_callers_share_one_ingest(
    loader: ModuleLoader, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    callers = 16
    all_wait = Barrier(callers + 1)

    def call(offset: int) -> frozenset[ModuleId]:
        with loader.load({xul: [offset]}) as pending:
            all_wait.wait()
            pending.wait(LONG)
            return pending.ended

    with ThreadPoolExecutor(callers) as pool:
        answers = [pool.submit(call, offset) for offset in range(callers)]
        all_wait.wait()
        assert queue.length() == 1
        only = claim(desk)
        assert only.wanted == set(range(callers))
        desk.end(only)
        assert all(answer.result() == {xul} for answer in answers)
    assert isinstance(desk.claim(), NothingToClaim)


def test_an_end_before_the_wait_is_not_missed(
    loader: ModuleLoader, desk: ClaimDesk, xul: ModuleId
) -> None:
    with loader.load({xul: [1]}) as pending:
        desk.end(claim(desk))
        pending.wait(LONG)
        assert pending.ended == {xul}


def test_a_lost_announcement_is_recovered(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    loader = ModuleLoader(redis_cache, recheck_seconds=0.01)
    with loader.load({xul: [1]}) as pending:
        desk.end(claim(desk))  # no one listens yet
        loader.start()
        pending.wait(LONG)
        assert pending.ended == {xul}
    loader.close()
    assert queue.length() == 0


@pytest.mark.promise(
    "Callers take turns: a new one waits for one round, however long the line", group="ingests"
)
def test_a_module_that_moved_back_although_a_caller_waits_moves_up_again(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, libc: ModuleId
) -> None:
    loader = ModuleLoader(redis_cache, recheck_seconds=0.01)
    with loader.load({libc: [1]}, "a"):
        queue.enqueue({xul: []}, Band.AWAITED, "b")
        redis_cache.zadd(AWAITED_KEY, {str(libc): 1})  # as if no server had looked for long
        assert claim(desk).module_id == xul
        assert queue.look([libc]).behind == {libc}
        loader.start()
        while queue.look([libc]).behind:
            threading.Event().wait(0.001)
        assert queue.get_lengths()[Band.AWAITED] == 1
        assert claim(desk).module_id == libc
    loader.close()


def test_an_end_during_a_lost_connection_is_recovered(
    redis_cache: redis.Redis, loader: ModuleLoader, desk: ClaimDesk, xul: ModuleId
) -> None:
    with loader.load({xul: [1]}) as pending:
        redis_cache.client_kill_filter(_type="pubsub")
        desk.end(claim(desk))
        pending.wait(LONG)  # an hour before the next check
        assert pending.ended == {xul}


def test_a_running_ingest_is_not_mistaken_for_ended(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, libc: ModuleId
) -> None:
    loader = ModuleLoader(redis_cache, recheck_seconds=0.001)
    loader.start()
    with loader.load({xul: [1], libc: [2]}) as pending:
        running = claim(desk)
        other = claim(desk)
        # While the other one is checked again and again, the end of this one is noticed.
        redis_cache.zrem(RUNNING_KEY, str(other.module_id))
        while not pending.ended:
            pending.wait(0.01)
        assert pending.ended == {other.module_id}
        desk.end(running)
        pending.wait(LONG)
        assert pending.ended == {xul, libc}
    loader.close()
    del queue


def test_a_job_that_was_never_queued_has_not_ended(redis_cache: redis.Redis, xul: ModuleId) -> None:
    """A look at the queue between registering and enqueueing finds no job."""

    class LookedAt(IngestQueue):
        def enqueue(self, *_arguments: object, **_named: object) -> Enqueued:
            own_loader._look_again()
            return Enqueued(0, frozenset())

    own_loader = ModuleLoader(redis_cache)
    own_loader._queue = LookedAt(redis_cache)
    with own_loader.load({xul: []}) as pending:
        assert pending.ended == frozenset()
        own_loader._look_again()
        assert pending.ended == {xul}


class CountedQueue(IngestQueue):
    """Looks at nothing but notes it; the modules of `ended` have ended."""

    def __init__(self) -> None:
        self.looks = list[set[ModuleId]]()
        self.ended = set[ModuleId]()

    def enqueue(self, *_arguments: object, **_named: object) -> Enqueued:
        return Enqueued(0, frozenset())

    def look(self, module_ids: Collection[ModuleId]) -> Look:
        self.looks.append(set(module_ids))
        return Look(frozenset(module_ids) & self.ended, frozenset())


def test_a_look_is_at_a_share_of_many_modules_and_each_comes_before_its_wait_is_forgotten(
    redis_cache: redis.Redis,
) -> None:
    modules = [numbered_module(number) for number in range(30_000)]
    queue, loader = CountedQueue(), ModuleLoader(redis_cache)
    loader._queue = queue
    with loader.load(dict.fromkeys(modules, ())), loader.load(dict.fromkeys(modules[:100], ())):
        for _ in range(12):
            loader._look_again()
    assert {len(look) for look in queue.looks} == {5_000}
    assert LOOKS_FOR_ALL * 1_000 * RECHECK_SECONDS < WAITS_MS
    assert set.union(*queue.looks[:6]) == set(modules)
    assert queue.looks[6:] == queue.looks[:6]


def test_two_thousand_modules_are_all_looked_at_each_time(redis_cache: redis.Redis) -> None:
    modules = [numbered_module(number) for number in range(2_000)]
    queue, loader = CountedQueue(), ModuleLoader(redis_cache)
    loader._queue = queue
    with loader.load(dict.fromkeys(modules, ())) as pending:
        loader._look_again()
        queue.ended = set(modules)
        loader._look_again()
        assert queue.looks == [set(modules)] * 2
        assert pending.ended == set(modules)


def test_modules_without_room_in_the_queue_take_no_place_in_a_look(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    del queue  # emptied the cache
    counted, loader = CountedQueue(), ModuleLoader(redis_cache, max_queued=1)
    refused = {numbered_module(number): () for number in range(2_500)}
    with loader.load({xul: ()}), loader.load(refused) as pending:
        assert pending.refused == set(refused)
        loader._queue = counted
        loader._look_again()
        assert counted.looks == [{xul}]


def test_a_look_that_takes_long_holds_up_no_announcement(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    looks, goes_on = threading.Event(), threading.Event()

    class SlowQueue(IngestQueue):
        def look(self, module_ids: Collection[ModuleId]) -> Look:
            looks.set()
            goes_on.wait(LONG)
            return super().look(module_ids)

    del queue  # emptied the cache
    loader = ModuleLoader(redis_cache, recheck_seconds=0.01)
    loader._queue = SlowQueue(redis_cache)
    heard = threading.Semaphore(0)
    loader.watch("test:other", heard.release)
    loader.start()
    wait_until_heard(redis_cache)
    with loader.load({xul: [1]}) as pending:
        assert looks.wait(LONG)
        desk.end(claim(desk))
        pending.wait(LONG)
        assert pending.ended == {xul}
        assert all(heard.acquire(timeout=LONG) for _ in range(3))
    assert not goes_on.is_set()
    goes_on.set()
    loader.close()


def test_foreign_messages_wake_no_caller(
    redis_cache: redis.Redis, loader: ModuleLoader, desk: ClaimDesk, xul: ModuleId
) -> None:
    with loader.load({xul: [1]}) as pending:
        for message in (b"", b"nonsense", b"\xff/\xff", b"a/b"):
            redis_cache.publish(ENDED_CHANNEL, message)
        desk.end(claim(desk))
        pending.wait(LONG)
        assert pending.ended == {xul}


def test_a_caller_that_leaves_is_forgotten(loader: ModuleLoader, xul: ModuleId) -> None:
    with loader.load({xul: [1]}):
        pass
    with pytest.raises(ZeroDivisionError), loader.load({xul: [1]}):
        _ = 1 // 0
    assert not loader._waiters._by_module
    assert not loader._waiters._queued


def test_a_loader_raises_while_the_cache_is_down_and_subscribes_once_it_is_up(
    xul: ModuleId, redis_cache: redis.Redis, redis_cache_url: str, tmp_path: Path
) -> None:
    socket = tmp_path / "socket"
    with connect(f"unix://{socket}") as client:
        loader = ModuleLoader(client, recheck_seconds=3600)
        loader.start()
        with pytest.raises(CacheUnavailableError), loader.load({xul: []}):
            pass
        assert not loader._waiters._by_module
        socket.symlink_to(redis_cache_url.removeprefix("unix://"))  # the server is up
        wait_until_heard(redis_cache)
        loader.close()


def test_a_loader_closes_while_the_cache_is_down(tmp_path: Path) -> None:
    with connect(f"unix://{tmp_path}/socket") as client:
        loader = ModuleLoader(client)
        loader.start()
        loader.close()
