"""Servers, workers and both Redis servers as processes of their own, and a symbol server."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from symbolon import Client, Frame, Module
from symbolon.results import Diagnostics, Symbolication, Tier
from symbolon_server.cache.embedded import EmbeddedRedis
from symbolon_server.cache.servers import connect
from symbolon_server.symbols.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS, Program, StartProgram, environment, start
from tests.fixtures.symbol_server import SymbolServer, symbol_server

__all__ = ["environment", "start", "symbol_server"]


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
    """A store and a cache that a test may fill, limit, stop and start again."""

    folder: Path
    _running: dict[str, EmbeddedRedis] = field(default_factory=dict)

    def url(self, role: str) -> str:
        """Return an address that stays when the server behind it is another one."""
        return f"unix://{self.folder}/{role}"

    def start(self, role: str) -> None:
        server = self._running[role] = EmbeddedRedis.start(f"{role}.conf")
        (self.folder / role).symlink_to(server.url.removeprefix("unix://"))

    def stop(self, role: str) -> None:
        if role in self._running:
            (self.folder / role).unlink()
            self._running.pop(role).close()

    def settings(self) -> dict[str, str]:
        return {"store_url": self.url("store"), "cache_url": self.url("cache")}


@pytest.fixture
def redis_pair(tmp_path: Path) -> Iterator[RedisPair]:
    pair = RedisPair(tmp_path / "redis")
    pair.folder.mkdir()
    for role in ("store", "cache"):
        pair.start(role)
    yield pair
    for role in ("store", "cache"):
        pair.stop(role)


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
        client = Client(server.await_address(), timeout=PATIENCE_SECONDS)
        return self._clients.enter_context(client)

    def new_client(self, **settings: str) -> Client:
        """Return a client of a server that was just started and holds nothing."""
        return self.connect(self.serve(**settings))


@pytest.fixture
def site(
    redis_pair: RedisPair, symbol_server: SymbolServer, start: StartProgram, tmp_path: Path
) -> Iterator[Site]:
    with (
        connect(redis_pair.url("store")) as store,
        connect(redis_pair.url("cache")) as cache,
        ExitStack() as clients,
    ):
        yield Site(redis_pair, store, cache, symbol_server, tmp_path / "spool", start, clients)
