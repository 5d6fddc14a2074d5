"""Clients of several servers that come and go."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from symbolon import Client
from symbolon.results import Tier
from symbolon_server.app.programs.server_process import ServerProcess
from symbolon_server.settings import Settings, read_settings
from tests.app.conftest import wait_until
from tests.fixtures.name_server import NameServer

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
"""Of loopback, as gRPC gives all addresses of a name the same port."""

CALLERS = 2
PAUSE_SECONDS = 0.005
MIB = 1 << 20

Serve = Callable[[str], ServerProcess]


@pytest.fixture
def port() -> int:
    """A port that is free on all hosts."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def serve(redis_store_url: str, redis_cache_url: str, tmp_path: Path, port: int) -> Iterator[Serve]:
    """Start a server on a host; all that still run are stopped after the test."""

    def start(host: str) -> ServerProcess:
        process = ServerProcess(settings_of(host), is_port_shared=False)
        process.start()
        running.append(process)
        return process

    def settings_of(host: str) -> Settings:
        flags = {
            "listen": f"{host}:{port}",
            "store_url": redis_store_url,
            "cache_url": redis_cache_url,
            "spool_dir": str(tmp_path),
            "memory_bytes": str(memory_of(host)),
            "threads": "4",
        }
        return read_settings({}, {f"SYMBOLON_{name.upper()}": flags[name] for name in flags})

    running: list[ServerProcess] = []
    yield start
    for process in running:
        process.stop()


def memory_of(host: str) -> int:
    """By the size of its memory, a server is known in what it tells of itself."""
    return int(host.rpartition(".")[2]) * 16 * MIB


class Callers:
    """Calls from several threads all the time; counts answers by host."""

    def __init__(self, client: Client) -> None:
        self.answers = Counter[str]()
        self._client = client
        self._is_over = threading.Event()

    def answered_by_all(self, *hosts: str) -> bool:
        """Return whether these hosts, and no others, have answered since the last question."""
        counts, self.answers = self.answers, Counter()
        return set(counts) == set(hosts)

    def _call(self) -> None:
        while not self._is_over.wait(PAUSE_SECONDS):
            tiers = {one.tier: one for one in self._client.get_store_info().tiers}
            size = sum(tiers[tier].max_bytes for tier in (Tier.FRAMES, Tier.MEMORY))
            host = min(HOSTS, key=lambda host: abs(memory_of(host) - size))
            self.answers[host] += 1

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call during the context; raise the first error of a call."""
        with ThreadPoolExecutor(CALLERS) as pool:
            futures: list[Future[None]] = [pool.submit(self._call) for _ in range(CALLERS)]
            try:
                yield
            finally:
                self._is_over.set()
            for future in futures:
                future.result(60)


@pytest.mark.promise("No call fails while servers behind one name come and go")
def test_servers_of_a_name_are_replaced_one_after_the_other(serve: Serve, port: int) -> None:
    with ExitStack() as stack:
        names = stack.enter_context(NameServer())
        first, second = map(serve, HOSTS[:2])
        names.addresses = HOSTS[:2]
        target = f"dns://{names.address}/symbolon.example:{port}"
        callers = Callers(stack.enter_context(Client(target)))
        stack.enter_context(callers.calling())
        wait_until(lambda: callers.answered_by_all(*HOSTS[:2]))
        for old, hosts in ((first, HOSTS[1:3]), (second, HOSTS[2:])):
            serve(hosts[-1])
            names.addresses = hosts
            old.stop()
        wait_until(lambda: callers.answered_by_all(*HOSTS[2:]))


def test_a_server_that_returns_to_its_address_gets_calls_again(serve: Serve, port: int) -> None:
    one, other = HOSTS[:2]
    with ExitStack() as stack:
        first, _ = serve(one), serve(other)
        callers = Callers(stack.enter_context(Client([f"{one}:{port}", f"{other}:{port}"])))
        stack.enter_context(callers.calling())
        wait_until(lambda: callers.answered_by_all(one, other))
        first.stop()
        wait_until(lambda: callers.answered_by_all(other))
        serve(one)
        wait_until(lambda: callers.answered_by_all(one, other))
