"""What the tests of the cache floor share."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from symbolon_server.cache.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.symbols.module_ids import ModuleId


@dataclass
class FakeClock:
    """A clock that moves only when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


StartRedis = Callable[..., EmbeddedRedis]


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def start_redis() -> Iterator[StartRedis]:
    """Return what starts a server of the test's own, with other lines of configuration."""
    with ExitStack() as servers:

        def start(
            configuration: str,
            *,
            data_folder: Path | None = None,
            port: int | None = None,
            run_folder: Path | None = None,
            **overrides: str,
        ) -> EmbeddedRedis:
            lines = {name.replace("_", "-"): value for name, value in overrides.items()}
            options = EmbeddedOptions(data_folder, port, run_folder, lines)
            return servers.enter_context(EmbeddedRedis.start(configuration, options))

        yield start


@pytest.fixture
def keyed_cache(redis_cache: redis.Redis, clear_redis_cache: None) -> KeyedCache:
    return KeyedCache(redis_cache)


@pytest.fixture
def xul() -> ModuleId:
    return ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")


@pytest.fixture
def libc() -> ModuleId:
    return ModuleId.parse("libc.so.6", "0123456789ABCDEF0123456789ABCDEF0")


@pytest.fixture
def unused_port() -> int:
    """A TCP port on loopback where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
