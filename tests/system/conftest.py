"""Servers, workers and both Redis servers as processes of their own, and a symbol server."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from symbolon import Client, Frame, Module
from symbolon.results import Diagnostics, Symbolication, Tier
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import (
    PATIENCE_SECONDS,
    Program,
    StartProgram,
    environment,
    environment_in,
    starting,
)
from tests.fixtures.redis_fixtures import PATIENT
from tests.fixtures.symbol_server import SymbolServer, symbol_server
from tests.system.redis.redis_proxy import RedisProxy

__all__ = ["environment", "symbol_server"]


SMALL_MEMORY = {
    "memory_bytes": "1MiB",  # so that most calls need the store
    "deadline_margin_seconds": "2",  # enough on a machine that has other things to do as well
}
"""Settings of a server that is under load while something is wrong."""


def ask(client: Client, asked: Sequence[tuple[ModuleId, int]]) -> Symbolication:
    """Ask for one offset of each module, all in one stack."""
    modules = [Module(module_id.debug_file, module_id.debug_id) for module_id, _ in asked]
    stack = [Frame(index, offset) for index, (_, offset) in enumerate(asked)]
    return client.symbolicate(modules, [stack], with_diagnostics=True)


def functions(answer: Symbolication) -> list[str | None]:
    return [frame.function for stack in answer.stacks for frame in stack]


def diagnostics_of(answer: Symbolication) -> Diagnostics:
    assert answer.diagnostics is not None
    return answer.diagnostics


def hits(answer: Symbolication, tier: Tier) -> int:
    """Return how much of an answer one tier had."""
    return sum(row.hits for row in diagnostics_of(answer).tiers if row.tier is tier)


@dataclass(slots=True)
class RedisPair:
    """A store and a cache that a test may fill, limit, stop, freeze and start again."""

    folder: Path
    _running: dict[str, EmbeddedRedis] = field(default_factory=dict)
    _proxies: dict[str, RedisProxy] = field(default_factory=dict)

    def url(self, role: str) -> str:
        """Return the address that programs are given; it stays whatever is behind it."""
        return f"unix://{self.folder}/{role}"

    def server_url(self, role: str) -> str:
        """Return the address of the server itself, past any proxy."""
        return f"{self.url(role)}-server"

    def start(self, role: str, **overrides: str) -> None:
        """Start a server; the cache has what an earlier one held."""
        options = EmbeddedOptions(
            data_folder=self.folder / "data" if role == "cache" else None,
            overrides={name.replace("_", "-"): value for name, value in overrides.items()},
        )
        server = self._running[role] = EmbeddedRedis.start(f"{role}.conf", options)
        self._link(f"{role}-server", server.url.removeprefix("unix://"))
        if role not in self._proxies:
            self._link(role, f"{role}-server")

    def stop(self, role: str) -> None:
        if role in self._running:
            self._running.pop(role).close()

    def kill(self, role: str) -> None:
        """End a server without a word; whatever it had not written down is lost."""
        os.kill(self._running[role].process_id, signal.SIGKILL)
        self.stop(role)

    @contextmanager
    def frozen(self, role: str) -> Iterator[None]:
        """Stop a server in its tracks for a while."""
        process_id = self._running[role].process_id
        os.kill(process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process_id, signal.SIGCONT)

    def put_proxy_before(self, role: str) -> RedisProxy:
        """Lead who connects from now on through a proxy."""
        proxy = self._proxies[role] = RedisProxy(
            self.folder / f"{role}-proxy", self.folder / f"{role}-server"
        )
        self._link(role, f"{role}-proxy")
        return proxy

    def close(self) -> None:
        """End all servers and proxies."""
        for role in ("store", "cache"):
            self.stop(role)
        for proxy in self._proxies.values():
            proxy.close()

    def _link(self, name: str, target: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
        (self.folder / name).symlink_to(target)

    def settings(self) -> dict[str, str]:
        return {"store_url": self.url("store"), "cache_url": self.url("cache")}


@contextmanager
def redis_pair_in(folder: Path) -> Iterator[RedisPair]:
    """Return a running pair, which ends with the context."""
    folder.mkdir()
    pair = RedisPair(folder)
    try:
        for role in ("store", "cache"):
            pair.start(role)
        yield pair
    finally:
        pair.close()


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[StartProgram]:
    """Start a program by a fork."""
    with starting(environment, tmp_path) as start_one:
        yield start_one


@pytest.fixture
def redis_pair(tmp_path: Path) -> Iterator[RedisPair]:
    with redis_pair_in(tmp_path / "redis") as pair:
        yield pair


@dataclass(frozen=True, slots=True)
class Site:
    """Everything of one installation: servers, workers, both Redis, a supplier, a spool."""

    pair: RedisPair
    store: redis.Redis
    cache: redis.Redis
    supplier: SymbolServer
    spool: Path
    _start: StartProgram
    _clients: ExitStack

    def serve(self, *flags: str, **settings: str) -> Program:
        """Start a server without a worker."""
        settings = {"listen": "127.0.0.1:0", "suppliers": self.supplier.url} | settings
        return self._start("serve", *flags, **(self.pair.settings() | settings))

    def work(self, *flags: str, **settings: str) -> Program:
        """Start a worker."""
        settings = {"suppliers": self.supplier.url} | settings
        return self._start("worker", *flags, **(self.pair.settings() | settings))

    def connect(self, server: Program) -> Client:
        """Return a client of a server, which is waited for."""
        return self.connect_to(server.await_address())

    def connect_to(self, target: str) -> Client:
        """Return a client of a server that is there."""
        return self._clients.enter_context(Client(target, timeout=PATIENCE_SECONDS))

    def new_client(self, **settings: str) -> Client:
        """Return a client of a server that was just started and holds nothing."""
        return self.connect(self.serve(**settings))


@contextmanager
def site_of(
    pair: RedisPair, supplier: SymbolServer, start: StartProgram, spool: Path
) -> Iterator[Site]:
    """Return a site of these parts; its clients end with the context."""
    with (
        connect(pair.server_url("store"), PATIENT) as store,
        connect(pair.server_url("cache"), PATIENT) as cache,
        ExitStack() as clients,
    ):
        yield Site(pair, store, cache, supplier, spool, start, clients)


@pytest.fixture
def site(
    redis_pair: RedisPair, symbol_server: SymbolServer, start: StartProgram, tmp_path: Path
) -> Iterator[Site]:
    with site_of(redis_pair, symbol_server, start, tmp_path / "spool") as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that all tests of a module share, because starting one takes seconds."""
    folder = tmp_path_factory.mktemp("site")
    with (
        redis_pair_in(folder / "redis") as pair,
        SymbolServer(folder / "symbol-server") as supplier,
        starting(environment_in(folder), folder) as start,
        site_of(pair, supplier, start, folder / "spool") as site,
    ):
        yield site
