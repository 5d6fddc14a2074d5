"""The page store in a real cluster: spread, aged, and with a node that hangs, dies or moves."""

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from redis.crc import key_slot

from symbolon_server.app.wiring.from_settings import store_over
from symbolon_server.redis_servers.cluster import Cluster, connect_store
from symbolon_server.redis_servers.keys import page_key
from symbolon_server.redis_servers.servers import ServerUnreachableError, Timeouts
from symbolon_server.redis_servers.setup_checks import ask_server
from symbolon_server.store.cluster_store import ClusterPageStore
from symbolon_server.store.key_counts import KeyCounts, count_keys
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from tests.app.conftest import wait_until
from tests.fixtures.certificates import Authority, authority
from tests.fixtures.clusters import PRIMARIES, RunningCluster, redis_cluster, running_cluster
from tests.fixtures.networks import free_port
from tests.fixtures.redis_fixtures import PATIENT
from tests.fixtures.redis_users import (
    denied,
    documented_rules,
    documented_rules_of_nodes,
    make_user,
)
from tests.fixtures.tls_proxy import TlsProxy
from tests.store.test_redis_store import ErrorLog, errors, needs_signals
from tests.system.redis.redis_proxy import RedisProxy

__all__ = ["authority", "errors", "redis_cluster"]

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
KEYS = [PageKey(XUL, "1-a", number) for number in range(60)]
TIMEOUTS = Timeouts(2.0, 2.0)
PAGES = {key: b"page %d" % key.number for key in KEYS}


def node_of(key: PageKey) -> int:
    """Return which of the primaries, as they start, has a key."""
    return key_slot(page_key(key).encode()) * PRIMARIES // 16_384


class Proxies(NamedTuple):
    """A cluster, and the proxies before its nodes."""

    cluster: RunningCluster
    nodes: list[RedisProxy]


@pytest.fixture
def client(redis_cluster: RunningCluster) -> Iterator[Cluster]:
    redis_cluster.clear()
    with redis_cluster.connect(PATIENT) as found:
        yield found


@pytest.fixture
def store(client: Cluster, errors: ErrorLog) -> ClusterPageStore:
    return ClusterPageStore(client, errors)


def test_pages_and_directories_are_spread_by_their_keys(
    redis_cluster: RunningCluster, client: Cluster, store: ClusterPageStore, errors: ErrorLog
) -> None:
    store.put_pages(PAGES)
    store.put_directories({XUL: b"directory"})
    for number, node in enumerate(redis_cluster.clients):
        expected = {page_key(key).encode() for key in KEYS if node_of(key) == number}
        assert len(expected) > 10
        assert expected == set(node.keys("page:*"))
    assert count_keys(client) == KeyCounts(1, 60, is_estimated=False)
    assert errors.reasons == []


def test_pages_have_the_ages_that_they_are_put_with_until_they_are_touched(
    redis_cluster: RunningCluster, store: ClusterPageStore
) -> None:
    def idle(key: PageKey) -> int:
        node = redis_cluster.clients[node_of(key)]
        return int(node.object("idletime", page_key(key)))

    assert store.takes_ages()
    store.put_aged_pages(PAGES, {key: 1000 + key.number for key in KEYS[1:]})
    assert store.get_pages([]) == []
    assert idle(KEYS[0]) == 0
    assert all(1000 + key.number <= idle(key) <= 1060 + key.number for key in KEYS[1:])
    store.touch([XUL], KEYS[:30])
    assert max(map(idle, KEYS[:30])) < 60
    assert min(map(idle, KEYS[30:])) >= 1000


def test_the_sample_is_of_the_node_that_evicts_the_youngest(errors: ErrorLog) -> None:
    """Each node evicts by itself; pages younger than its oldest keys are kept by all."""
    with running_cluster(maxmemory="4mb") as cluster, cluster.connect(PATIENT) as client:
        store = ClusterPageStore(client, errors)
        assert store.sample_idle_seconds() is None
        keys = [PageKey(XUL, "1-b", number) for number in range(2000)]
        ages = {key: 1000 * (1 + node_of(key)) for key in keys if node_of(key) > 0}
        store.put_aged_pages({key: os.urandom(4000) for key in ages}, ages)
        sample = store.sample_idle_seconds()
        assert sample is not None
        assert 2000 <= max(sample) <= 2060
        cluster.clients[1].execute_command("ACL", "SETUSER", "default", "-restore")
        assert not ClusterPageStore(client).takes_ages()
        assert errors.reasons == []


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    """A cluster whose nodes are reached through proxies."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("nodes")
        sockets = [folder / str(number) for number in range(PRIMARIES)]
        ports = [free_port() for _ in sockets]
        found = [RedisProxy(port, path) for port, path in zip(ports, sockets, strict=True)]
        for proxy in found:
            stack.callback(proxy.close)
        cluster = stack.enter_context(running_cluster(announced=ports))
        for path, node in zip(sockets, cluster.nodes, strict=True):
            path.symlink_to(node.url.removeprefix("unix://"))
        yield Proxies(cluster, found)


@pytest.mark.alone
def test_all_nodes_are_asked_in_one_round_trip(proxies: Proxies) -> None:
    delay = 0.25
    with proxies.cluster.connect(PATIENT) as client, ExitStack() as delays:
        store = ClusterPageStore(client)
        store.put_pages(PAGES)
        for proxy in proxies.nodes:
            delays.enter_context(proxy.delaying(delay))
        start = time.perf_counter()
        assert store.get_pages(KEYS) == list(PAGES.values())
        assert delay <= time.perf_counter() - start < 2 * delay


def test_a_node_that_answers_nonsense_or_hangs_up_costs_its_own_keys_alone(
    proxies: Proxies, errors: ErrorLog
) -> None:
    expected = [None if node_of(key) == 1 else PAGES[key] for key in KEYS]
    with proxies.cluster.connect(PATIENT) as client:
        store = ClusterPageStore(client, errors)
        store.put_pages(PAGES)
        for lie in (b"?\r\n", b":7\r\n" * len(KEYS), b"*1\r\n:x\r\n"):
            with proxies.nodes[1].lying(lie):
                assert store.get_pages(KEYS) == expected
                assert not store.is_answering()
            assert store.get_pages(KEYS) == list(PAGES.values())
        with proxies.nodes[1].cutting():  # the pages before the cut are whole
            found = zip(KEYS, store.get_pages(KEYS), expected, strict=True)
            assert all(page in {PAGES[key], other} for key, page, other in found)
        assert store.get_pages(KEYS) == expected
        assert errors.reasons == ["other", "other", "other", "connection", "skipped"]
        wait_until(lambda: store.get_pages(KEYS) == list(PAGES.values()))


@needs_signals
def test_a_frozen_node_costs_one_call_a_timeout_and_others_their_keys_of_it_alone(
    errors: ErrorLog,
) -> None:
    with running_cluster() as cluster, cluster.connect(TIMEOUTS) as client:
        store = ClusterPageStore(client, errors)
        store.put_pages(PAGES)
        others = [key for key in KEYS if node_of(key) != 1]
        expected = [None if node_of(key) == 1 else PAGES[key] for key in KEYS]
        cluster.freeze(1)
        start = time.monotonic()
        assert store.get_pages(KEYS) == expected
        assert (store.is_answering(), store.is_lost()) == (False, False)
        assert errors.reasons == ["timeout"]
        for _ in range(5):
            assert store.get_pages(KEYS) == expected
        assert store.get_pages(others) == [PAGES[key] for key in others]
        assert store.is_answering()
        store.put_pages(PAGES)
        assert store.get_pages([key for key in KEYS if node_of(key) == 1][:1]) == [None]
        assert store.is_lost()
        assert time.monotonic() - start < 2 * TIMEOUTS.answer_seconds
        assert set(errors.reasons[1:]) == {"skipped"}
        with pytest.raises(ServerUnreachableError):
            count_keys(client)
        cluster.thaw()
        wait_until(lambda: store.get_pages(KEYS) == list(PAGES.values()))
        assert store.is_answering()


def test_the_documented_user_suffices_on_all_nodes_over_tls(
    authority: Authority, tmp_path: Path, errors: ErrorLog
) -> None:
    rules = [*documented_rules("store"), *documented_rules_of_nodes()]
    certificate = authority.issue("127.0.0.1")
    sockets = [tmp_path / str(number) for number in range(PRIMARIES)]
    with ExitStack() as stack:
        proxies = [stack.enter_context(TlsProxy(certificate, path)) for path in sockets]
        ports = [proxy.port for proxy in proxies]
        # The nodes do not know the name by which they are reached: it is that of the URL.
        cluster = stack.enter_context(
            running_cluster(announced=ports, cluster_preferred_endpoint_type="unknown-endpoint")
        )
        for path, node, admin in zip(sockets, cluster.nodes, cluster.clients, strict=True):
            path.symlink_to(node.url.removeprefix("unix://"))
            make_user(admin, "store", rules)
        url = cluster.url("symbolon-store:PASSWORD@").replace("redis", "rediss", 1)
        client = stack.enter_context(connect_store(f"{url}?ssl_ca_certs={authority.file}", PATIENT))
        store = store_over(client, errors)
        assert store.takes_ages()
        store.put_aged_pages(PAGES, {KEYS[0]: 7})
        store.put_directories({XUL: b"directory"})
        store.touch([XUL], KEYS)
        assert store.get_pages(KEYS) == list(PAGES.values())
        *_, slot = cluster.used_slots(0)
        for _ in cluster.migrate(slot, 0, 1):
            assert store.get_pages(KEYS) == list(PAGES.values())
        store.forget(XUL)
        assert count_keys(client) == KeyCounts(0, 60, is_estimated=False)
        assert ask_server(client).facts is not None
        assert errors.reasons == []
        assert [denied(admin) for admin in cluster.clients] == [[]] * PRIMARIES


@needs_signals
def test_two_frozen_nodes_cost_a_call_one_timeout_at_most(errors: ErrorLog) -> None:
    expected = [PAGES[key] if node_of(key) == 0 else None for key in KEYS]
    with running_cluster() as cluster, cluster.connect(TIMEOUTS) as client:
        store = ClusterPageStore(client, errors)
        store.put_pages(PAGES)
        cluster.freeze(1)
        cluster.freeze(2)
        longest = 0.0

        def have_been_tried_again() -> bool:
            nonlocal longest
            start = time.monotonic()
            assert store.get_pages(KEYS) == expected
            longest = max(longest, time.monotonic() - start)
            return errors.reasons.count("timeout") >= 3

        wait_until(have_been_tried_again)
        assert TIMEOUTS.answer_seconds <= longest < 2 * TIMEOUTS.answer_seconds
        os.kill(cluster.nodes[2].process_id, signal.SIGCONT)  # while the other one stays
        without = [None if node_of(key) == 1 else PAGES[key] for key in KEYS]
        wait_until(lambda: store.get_pages(KEYS) == without)


@dataclass
class Readers:
    """Threads that read all pages again and again, until they are ended."""

    store: ClusterPageStore
    lost: list[Collection[PageKey]] = field(default_factory=list)
    """The pages that each read missed, if any."""

    wrong: list[object] = field(default_factory=list)
    reads: int = 0

    def __enter__(self) -> Self:
        self._is_ending = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(3)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        while not self._is_ending.wait(0.002):  # leaves the nodes some time
            try:
                found = dict(zip(KEYS, self.store.get_pages(KEYS), strict=True))
            except Exception as error:  # noqa: BLE001 # the test reports it
                self.wrong.append(error)
                return
            self.wrong += [page for key, page in found.items() if page not in {None, PAGES[key]}]
            missed = {key for key, page in found.items() if page is None}
            if missed:
                self.lost.append(missed)
            self.reads += 1

    def take_more(self, reads: int = 10) -> None:
        """Wait for so many reads from now on."""
        before = self.reads
        wait_until(lambda: self.reads >= before + reads or bool(self.wrong))


def test_no_page_is_missed_while_slots_move(
    redis_cluster: RunningCluster, client: Cluster, store: ClusterPageStore, errors: ErrorLog
) -> None:
    """Keys of a slot are with either node, which says which."""
    store.put_pages(PAGES)
    moving = [key for key in KEYS if node_of(key) == 0][:5]
    slots = [key_slot(page_key(key).encode()) for key in moving]
    with Readers(store) as readers:
        for slot in slots:
            for _ in redis_cluster.migrate(slot, 0, 1):
                readers.take_more(3)
                store.put_pages(PAGES)
        readers.take_more()
        for slot in slots:
            list(redis_cluster.migrate(slot, 1, 0))
        readers.take_more()
    assert readers.wrong == []
    assert readers.lost == []
    assert errors.reasons == []
    assert store.get_pages(KEYS) == list(PAGES.values())


@needs_signals
@pytest.mark.parametrize("fail", [RunningCluster.kill, RunningCluster.freeze])
def test_a_replica_takes_over_from_a_primary_that_dies_or_hangs(
    fail: Callable[[RunningCluster, int], None],
) -> None:
    with running_cluster(has_replicas=True) as cluster, cluster.connect(TIMEOUTS) as client:
        store = ClusterPageStore(client)
        store.put_pages(PAGES)
        store.put_directories({XUL: b"directory"})
        for node in cluster.clients[:PRIMARIES]:
            node.wait(1, 10_000)
        with Readers(store) as readers:
            readers.take_more()
            fail(cluster, 0)
            wait_until(lambda: cluster.is_primary(PRIMARIES))
            wait_until(lambda: store.get_pages(KEYS) == list(PAGES.values()))
            readers.take_more()
            before = len(readers.lost)
            readers.take_more(30)
            assert len(readers.lost) == before
        assert readers.wrong == []
        assert {node_of(key) for keys in readers.lost for key in keys} <= {0}
        store.forget(XUL)
        assert store.get_directories([XUL]) == [None]
        assert store.is_answering()
