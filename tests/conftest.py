"""Fixtures of every floor: one store and one cache for the whole run, both real."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import redis
from hypothesis import settings

os.environ.setdefault("SYMBOLON_COMPILED", "none")  # test the source, on all machines alike

from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from tests.fixtures import turns
from tests.fixtures.installing import MARK, begin_to_install

# A loaded machine makes any example slow, and no test is about time alone.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.fixtures.redis_fixtures"]

_TURNS = pytest.StashKey[turns.Turns]()

_ORDER = tuple(
    tuple(Path(__file__).parent / name for name in names)
    for names in (
        # Short tests: what runs alone waits for those of other processes when it is last.
        ("app",),
        (
            "symbols/reading/test_reader_against_model.py",
            "system/load/test_real_modules.py",
            "system/redis/test_sentinel_failover.py",
            "system/redis/test_two_versions.py",
        ),
        ("",),
        ("symbolication", "symbols"),
    )
)
"""Folders and files in the order in which they run, after what runs alone. The longest files come
before all others, and those without long files last, so that all processes end at the same time.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Give the programs that tests start what they would have by themselves.

    A shell that runs us in the background has SIGINT ignored, by them too; and programs that are
    started hundreds of times are compiled once, as are the tests.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):  # one of the processes that share the tests
        config.stash[_TURNS] = turns.Turns(Path(config.getoption("basetemp")).parent)
        number = int(config.workerinput["workerid"].removeprefix("gw"))
        config.args = _begin_elsewhere(config.args, number / config.workerinput["workercount"])


def _begin_elsewhere(arguments: list[str], share: float) -> list[str]:
    """Return the arguments with this `share` of all folders put last.

    So each process compiles other test modules than the others do, and reads from files what they
    have compiled meanwhile: that is half of the time that collecting takes.
    """
    root = Path(__file__).parent
    folders = sorted(str(path) for path in root.glob("[a-z]*") if path.is_dir())
    if [Path(argument).resolve() for argument in arguments] != [root]:
        return arguments
    first = round(len(folders) * share)
    return folders[first:] + folders[:first]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while all stays, nor later in what stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test wait for its turn, which does not count as its time."""
    own = item.config.stash.get(_TURNS, None)
    alone = item.get_closest_marker(turns.MARK) is not None
    with nullcontext() if own is None else own.take(alone=alone):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what runs alone, so that no process waits for others' tests to end before each of
    its own, and the rest in the order that shares the files evenly among the processes. The order
    is the same in all processes, wherever they began to collect.
    """
    alone = {item.path for item in items if item.get_closest_marker(turns.MARK) is not None}
    places = {path: -1 if path in alone else _place(path) for path in {i.path for i in items}}
    items.sort(key=lambda item: (places[item.path], item.path))


def _place(path: Path) -> int:
    """Return the place in the order of the longest of its names that `path` begins with."""
    names = [(name, place) for place, names in enumerate(_ORDER) for name in names]
    return max((len(name.parts), place) for name, place in names if path.is_relative_to(name))[1]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to install what the tests need that are going to run, in one of several processes."""
    is_first = getattr(session.config, "workerinput", {}).get("workerid", "gw0") == "gw0"
    if is_first and any(item.get_closest_marker(MARK) for item in session.items):
        begin_to_install(session.config)


@pytest.fixture(scope="session")
def redis_store_url() -> Iterator[str]:
    """The URL of a running store, set up as `redis/store.conf` says."""
    with EmbeddedRedis.start("store.conf") as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_cache_url() -> Iterator[str]:
    """The URL of a running cache, set up as `redis/cache.conf` says."""
    with EmbeddedRedis.start("cache.conf") as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_store(redis_store_url: str) -> Iterator[redis.Redis]:
    """A client of the store; take `clear_redis_store` too where its contents matter."""
    with connect(redis_store_url) as client:
        yield client


@pytest.fixture(scope="session")
def redis_cache(redis_cache_url: str) -> Iterator[redis.Redis]:
    """A client of the cache; take `clear_redis_cache` too where its contents matter."""
    with connect(redis_cache_url) as client:
        yield client


@pytest.fixture
def clear_redis_store(redis_store: redis.Redis) -> None:
    """Empty the store before the test."""
    redis_store.flushall()


@pytest.fixture
def clear_redis_cache(redis_cache: redis.Redis) -> None:
    """Empty the cache before the test."""
    redis_cache.flushall()
