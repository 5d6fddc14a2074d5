"""The Redis page store, with a real Redis that is full, frozen, down or denies access."""

import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import redis

from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.keys import directory_key, page_key
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_dumps import dump_string
from symbolon_server.store.redis_store import MOST_TOUCHED_KEYS, RecentUse, RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION
from tests.fixtures.redis_fixtures import FakeClock, StartRedis

needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP here")


@dataclass
class ErrorLog:
    """Collects the reasons passed to `on_error`."""

    reasons: list[str] = field(default_factory=list)

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def errors() -> ErrorLog:
    return ErrorLog()


@contextmanager
def frozen(server: EmbeddedRedis) -> Iterator[None]:
    """Suspend a server's process for a while."""
    os.kill(server.process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process_id, signal.SIGCONT)


def test_keys_are_as_documented(
    redis_store: redis.Redis, clear_redis_store: None, xul: ModuleId
) -> None:
    store = RedisPageStore(redis_store)
    store.put_pages({PageKey(xul, "1-00ff", 12): b"page"})
    store.put_directories({xul: b"directory"})
    assert sorted(redis_store.keys()) == [
        b"page:xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2:1-00ff:12",
        b"symbol:xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2:%d" % FORMAT_VERSION,
    ]


def test_pages_of_many_modules_take_one_command(
    redis_store: redis.Redis, clear_redis_store: None, xul: ModuleId, libc: ModuleId
) -> None:
    store = RedisPageStore(redis_store)
    before = redis_store.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    store.get_pages([PageKey(id_, "1-a", number) for id_ in (xul, libc) for number in range(9)])
    assert redis_store.info("commandstats")["cmdstat_mget"]["calls"] == before + 1


def test_a_store_that_rejects_writes_is_counted_and_still_read(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId
) -> None:
    server = start_redis("store.conf", maxmemory_policy="noeviction")
    with connect(server.url) as client:
        store = RedisPageStore(client, errors)
        key = PageKey(xul, "1-a", 0)
        store.put_pages({key: b"page"})
        client.config_set("maxmemory", "1")
        store.put_pages({PageKey(xul, "1-a", 1): b"page", PageKey(xul, "1-a", 2): b"page"})
        store.put_directories({xul: b"directory"})
        assert errors.reasons == ["full", "full", "full"]
        assert store.get_pages([key]) == [b"page"]


def test_a_read_only_replica_is_counted_and_still_read(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId
) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as client:
        store = RedisPageStore(client, errors)
        store.put_directories({xul: b"directory"})
        client.replicaof("127.0.0.1", "1")
        store.put_directories({xul: b"another"})
        store.forget(xul)
        assert errors.reasons == ["read_only", "read_only"]
        assert store.get_directories([xul]) == [b"directory"]


def test_a_replica_without_its_primary_misses_and_is_not_answering(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId
) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as client:
        store = RedisPageStore(client, errors)
        client.config_set("replica-serve-stale-data", "no")
        client.replicaof("127.0.0.1", "1")
        assert store.is_answering()
        assert store.get_directories([xul]) == [None]
        assert not store.is_answering()
        client.replicaof("NO", "ONE")
        assert store.get_directories([xul]) == [None]
        assert store.is_answering()


def test_a_user_without_rights_is_a_miss(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId
) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as admin:
        may = ["+client|setname"]
        admin.acl_setuser("nobody", enabled=True, passwords=["+secret"], keys=["*"], commands=may)
    with connect(server.url.replace("unix://", "unix://nobody:secret@")) as client:
        store = RedisPageStore(client, errors)
        assert store.get_directories([xul]) == [None]
        store.put_directories({xul: b"directory"})
    with connect(server.url.replace("unix://", "unix://nobody:wrong@")) as client:
        assert RedisPageStore(client, errors).get_directories([xul]) == [None]
    assert errors.reasons == ["refused", "refused", "refused"]


def test_a_key_of_another_type_is_a_miss(
    redis_store: redis.Redis, clear_redis_store: None, xul: ModuleId
) -> None:
    redis_store.lpush(directory_key(xul), "something")
    assert RedisPageStore(redis_store).get_directories([xul]) == [None]


@needs_signals
def test_a_frozen_store_delays_a_call_by_less_than_a_second(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId
) -> None:
    server = start_redis("store.conf")
    keys = [PageKey(xul, "1-a", number) for number in range(3)]
    with connect(server.url) as client:
        store = RedisPageStore(client, errors)
        store.put_directories({xul: b"directory"})
        with frozen(server):
            began = time.monotonic()
            assert store.get_directories([xul]) == [None]
            assert store.get_pages(keys) == [None, None, None]
            store.put_pages(dict.fromkeys(keys, b"page"))
            store.put_directories({xul: b"new"})
            assert not store.takes_ages()
            assert time.monotonic() - began < 1.0
    assert errors.reasons[0] == "timeout"
    assert set(errors.reasons[1:]) == {"skipped"}


@needs_signals
def test_a_connection_to_a_frozen_store_times_out_in_less_than_a_second(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId
) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as client, frozen(server):
        began = time.monotonic()
        assert RedisPageStore(client, errors).get_directories([xul]) == [None]
        assert time.monotonic() - began < 1.0
    assert errors.reasons == ["timeout"]


@needs_signals
def test_a_store_that_thaws_is_used_again_without_late_replies(
    start_redis: StartRedis, fake_clock: FakeClock, errors: ErrorLog, xul: ModuleId, libc: ModuleId
) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as client:
        store = RedisPageStore(client, errors, fake_clock)
        store.put_directories({xul: b"of xul"})
        store.put_directories({libc: b"of libc"})
        with frozen(server):
            assert store.get_directories([xul]) == [None]
        assert store.get_directories([libc]) == [None]  # still in the pause
        fake_clock.now += 1.0
        # The late reply for xul must not be taken for the reply to this request.
        assert store.get_directories([libc]) == [b"of libc"]
        assert errors.reasons == ["timeout", "skipped"]


def test_a_restarted_store_serves_the_very_next_call(
    start_redis: StartRedis, errors: ErrorLog, xul: ModuleId, unused_port: int
) -> None:
    first = start_redis("store.conf", port=unused_port)
    with connect(f"redis://127.0.0.1:{unused_port}") as client:
        store = RedisPageStore(client, errors)
        store.put_directories({xul: b"directory"})
        first.close()
        start_redis("store.conf", port=unused_port)
        assert store.get_directories([xul]) == [None]
        store.put_directories({xul: b"again"})
        assert store.get_directories([xul]) == [b"again"]
    assert errors.reasons == []


def test_an_unreachable_store_costs_one_attempt_a_second(
    fake_clock: FakeClock, errors: ErrorLog, xul: ModuleId, unused_port: int
) -> None:
    with connect(f"redis://127.0.0.1:{unused_port}") as client:
        store = RedisPageStore(client, errors, fake_clock)
        for _ in range(3):
            assert store.get_directories([xul]) == [None]
        fake_clock.now += 1.0
        assert not store.takes_ages()
        store.touch([xul], [])
    assert errors.reasons == ["connection", "skipped", "skipped", "connection", "skipped"]


def test_touched_keys_count_as_used_now(
    redis_store: redis.Redis, clear_redis_store: None, xul: ModuleId
) -> None:
    store = RedisPageStore(redis_store)
    key = PageKey(xul, "1-a", 0)
    store.put_pages({key: b"page"})
    store.put_directories({xul: b"directory"})
    before = redis_store.info("commandstats").get("cmdstat_touch", {"calls": 0})["calls"]
    store.touch([xul], [key, PageKey(xul, "1-a", 1)])
    store.touch([], [])
    assert redis_store.info("commandstats")["cmdstat_touch"]["calls"] == before + 1
    assert redis_store.object("idletime", page_key(key)) == 0


def test_touched_pages_outlive_untouched_ones(start_redis: StartRedis, xul: ModuleId) -> None:
    """Redis records uses to the second, so the test sets the ages instead of waiting."""
    server = start_redis("store.conf", maxmemory="8mb", maxmemory_samples="64")
    with connect(server.url) as client:
        store = RedisPageStore(client)
        old = [PageKey(xul, "1-a", number) for number in range(400)]
        for key in old:  # RESTORE can set the idle time of a key
            client.set("template", os.urandom(5000))
            client.restore(page_key(key), 0, client.dump("template"), idletime=1000)
        client.delete("template")
        touched, untouched = old[:50], old[50:]
        store.touch([], touched)
        new = {PageKey(xul, "1-b", number): os.urandom(5000) for number in range(1300)}
        store.put_pages(new)
        assert None not in store.get_pages(touched)
        assert store.get_pages(untouched).count(None) > 100


@pytest.mark.promise("A new module evicts no page in use from a full store", group="ingests")
def test_aged_pages_push_no_new_ones_out_of_a_full_store(
    start_redis: StartRedis, xul: ModuleId, libc: ModuleId
) -> None:
    server = start_redis("store.conf", maxmemory="8mb", maxmemory_samples="64")
    with connect(server.url) as client:
        store = RedisPageStore(client)
        assert store.sample_idle_seconds() is None
        in_use = [PageKey(libc, "1-a", number) for number in range(400)]
        store.put_pages({key: os.urandom(5000) for key in in_use})
        aged = [PageKey(xul, "1-a", number) for number in range(2000)]
        store.put_aged_pages({key: os.urandom(5000) for key in aged}, dict.fromkeys(aged, 500))
        assert None not in store.get_pages(in_use)
        assert 500 < store.get_pages(aged).count(None) < 2000
        idle_seconds = store.sample_idle_seconds()
        assert idle_seconds is not None
        assert len(idle_seconds) > 90  # some are evicted meanwhile


def test_pages_have_the_ages_that_they_are_put_with(
    redis_store: redis.Redis, clear_redis_store: None, xul: ModuleId
) -> None:
    store = RedisPageStore(redis_store)
    pages = {
        PageKey(xul, "1-a", size): bytes(size) for size in (0, 1, 63, 64, 16_383, 16_384, 70_000)
    }
    assert store.takes_ages()
    store.put_pages(dict.fromkeys(pages, b"an earlier page"))
    store.put_aged_pages(pages, {key: 1000 + key.number for key in pages if key.number})
    for key, page in pages.items():
        expected = 1000 + key.number if key.number else 0
        idle_seconds = redis_store.object("idletime", page_key(key))
        assert expected <= idle_seconds <= expected + 60
        assert redis_store.get(page_key(key)) == page


class Ages(Mapping[PageKey, int]):
    """Ages that are only looked up: there are many more than pages in one step."""

    def __getitem__(self, key: PageKey) -> int:
        return 1000

    def __len__(self) -> int:
        return 50

    def __iter__(self) -> Iterator[PageKey]:
        raise AssertionError("all ages were read")


def test_a_step_reads_the_ages_of_its_own_pages_alone(
    redis_store: redis.Redis, clear_redis_store: None, xul: ModuleId
) -> None:
    """A module of 40,000 pages took eight seconds, as each step named the pages of all."""
    store = RedisPageStore(redis_store)
    store.put_aged_pages({PageKey(xul, "1-a", 7): b"page"}, Ages())
    assert redis_store.object("idletime", page_key(PageKey(xul, "1-a", 7))) >= 1000


@pytest.mark.parametrize("size", [0, 63, 64, 5000, 16_384])
def test_a_dump_is_what_redis_restores(redis_store: redis.Redis, size: int) -> None:
    value = os.urandom(size)
    redis_store.restore("dumped", 0, dump_string(value), replace=True)
    assert redis_store.getdel("dumped") == value


@pytest.mark.parametrize("rule", ["-restore", "+restore"])
def test_a_user_without_restore_takes_no_ages(start_redis: StartRedis, rule: str) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as client:
        client.execute_command("ACL", "SETUSER", "default", rule)
        store = RedisPageStore(client)
        assert store.takes_ages() is (rule == "+restore")
        assert client.dbsize() == 0


def test_a_policy_that_counts_frequencies_tells_no_ages(start_redis: StartRedis) -> None:
    server = start_redis("store.conf", maxmemory="3mb", maxmemory_policy="allkeys-lfu")
    with connect(server.url) as client:
        for number in range(600):
            client.set(number, bytes(10_000))
        assert RedisPageStore(client).sample_idle_seconds() is None


@pytest.mark.parametrize(
    "command", ["FLUSHALL SYNC", "CONFIG SET maxmemory 20mb", "CONFIG SET maxmemory 0"]
)
def test_a_store_that_has_room_again_evicts_nothing(
    start_redis: StartRedis, errors: ErrorLog, command: str
) -> None:
    server = start_redis("store.conf", maxmemory="8mb")
    with connect(server.url) as client:
        store = RedisPageStore(client, errors)
        for number in range(1000):
            client.set(number, bytes(10_000))
        assert len(store.sample_idle_seconds() or ()) > 90  # some are evicted meanwhile
        client.execute_command(*command.split())
        for number in range(9):
            client.set(number, bytes(10_000))
        assert store.sample_idle_seconds() is None
    assert errors.reasons == []


def test_a_user_who_may_not_sample_is_told_nothing(
    start_redis: StartRedis, errors: ErrorLog
) -> None:
    server = start_redis("store.conf", maxmemory="3mb")
    with connect(server.url) as client:
        for number in range(600):
            client.set(number, bytes(10_000))
        assert RedisPageStore(client).sample_idle_seconds()
        for rule in ("-object|idletime", "-randomkey", "-info"):
            client.execute_command("ACL", "SETUSER", "default", rule)
            store = RedisPageStore(client, errors)
            assert store.sample_idle_seconds() == ([] if rule == "-info" else None)
            assert store.is_answering()
    assert errors.reasons == ["refused"]


class Touches(RedisPageStore):
    """Notes each touch; `test_redis_store.py` tests its effect in Redis."""

    def __init__(self) -> None:
        super().__init__(connect("redis://localhost"))  # which never connects
        self.seen: list[tuple[set[ModuleId], set[PageKey]]] = []

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        self.seen.append((set(module_ids), set(keys)))


def test_each_key_is_touched_once_in_an_interval(fake_clock: FakeClock, xul: ModuleId) -> None:
    touches = Touches()
    recent = RecentUse(touches, touch_seconds=30.0, clock=fake_clock)
    first, second = PageKey(xul, "1-a", 0), PageKey(xul, "1-a", 1)
    recent.note([xul], [first])
    recent.note([xul], [first])
    fake_clock.now += 29.9
    recent.note([], [second])
    assert touches.seen == []
    fake_clock.now += 0.1
    recent.note([], [first])
    assert touches.seen == [({xul}, {first, second})]
    fake_clock.now += 30.0
    recent.note([], [second])
    assert touches.seen[1:] == [(set(), {second})]


def test_the_number_of_collected_keys_is_bounded(fake_clock: FakeClock, xul: ModuleId) -> None:
    touches = Touches()
    recent = RecentUse(touches, touch_seconds=30.0, clock=fake_clock)
    for start in range(0, 3 * MOST_TOUCHED_KEYS, 1000):
        recent.note([], [PageKey(xul, "1-a", number) for number in range(start, start + 1000)])
    fake_clock.now += 30.0
    recent.note([], [])
    assert len(touches.seen[0][1]) == MOST_TOUCHED_KEYS
