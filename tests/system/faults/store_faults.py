"""What can happen to a store while it is asked, each made to happen to a real one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import redis

from symbolon_server.redis_servers.servers import connect
from tests.fixtures.redis_fixtures import PATIENT
from tests.system.conftest import Site
from tests.system.redis.redis_proxy import RedisProxy

LATE_SECONDS: Final = 0.2
"""How late a slow store's replies are: not so late that they count as none."""

DEBUGGED: Final = {"enable_debug_command": "local"}
"""A store that lets a test make it load a file."""

MAXMEMORY: Final = "500mb"
_LOADING_MICROSECONDS_A_KEY: Final = 2_000


@dataclass(frozen=True, slots=True)
class StoreFault:
    """One kind of trouble, from `__enter__` to `__exit__` of what `inflict` returns."""

    name: str
    inflict: Callable[[Site, RedisProxy], AbstractContextManager[object]]

    is_dead: bool = False
    """Whether the store gives no answer at all meanwhile."""


@contextmanager
def _down(site: Site, proxy: RedisProxy) -> Iterator[None]:
    site.pair.stop("store")
    try:
        yield
    finally:
        site.pair.start("store", **DEBUGGED)


@contextmanager
def _filled_by_others(site: Site, proxy: RedisProxy) -> Iterator[None]:
    """Others fill a small store, which evicts whatever was not used lately."""
    site.store.config_set("maxmemory", "4mb")
    with _keys_of_others(site, 4_000):
        yield
    site.store.config_set("maxmemory", MAXMEMORY)


@contextmanager
def _out_of_memory(site: Site, proxy: RedisProxy) -> Iterator[None]:
    """The store is full and does not evict: it refuses each write with `OOM`."""
    site.store.config_set("maxmemory-policy", "noeviction")
    site.store.config_set("maxmemory", "1")
    yield
    site.store.config_set("maxmemory", MAXMEMORY)
    site.store.config_set("maxmemory-policy", "allkeys-lru")


@contextmanager
def _read_only(site: Site, proxy: RedisProxy) -> Iterator[None]:
    """The store is a replica of a server that is not there: it refuses with `READONLY`."""
    site.store.replicaof("127.0.0.1", "1")
    yield
    site.store.replicaof("NO", "ONE")


@contextmanager
def _replica_without_data(site: Site, proxy: RedisProxy) -> Iterator[None]:
    """The store is a replica that refuses to be read as well, with `MASTERDOWN`."""
    site.store.config_set("replica-serve-stale-data", "no")
    with _read_only(site, proxy):
        yield
    site.store.config_set("replica-serve-stale-data", "yes")


@contextmanager
def _loading(site: Site, proxy: RedisProxy) -> Iterator[None]:
    """The store reads a file, slowly, and answers `LOADING` until it has."""
    site.store.config_set("key-load-delay", str(_LOADING_MICROSECONDS_A_KEY))
    site.store.config_set("loading-process-events-interval-bytes", "1024")
    with _keys_of_others(site, 1_000), connect(site.pair.server_url("store"), PATIENT) as client:
        reload = threading.Thread(target=client.execute_command, args=("DEBUG", "RELOAD"))
        reload.start()
        while not _is_loading(site.store):
            reload.join(0.01)
        yield
        assert _is_loading(site.store), "it was over before anybody had seen it"
        reload.join()


@contextmanager
def _keys_of_others(site: Site, count: int) -> Iterator[None]:
    names = [f"others:{number}" for number in range(count)]
    with site.store.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.set(name, b"x" * 2_000)
        pipeline.execute()
    yield
    site.store.unlink(*names)


def _is_loading(store: redis.Redis) -> bool:
    try:
        store.get("others:0")
    except redis.exceptions.BusyLoadingError:
        return True
    return False


STORE_FAULTS: Final = (
    StoreFault("down and started again empty", _down, is_dead=True),
    StoreFault("frozen", lambda site, _: site.pair.frozen("store"), is_dead=True),
    StoreFault("slow", lambda _, proxy: proxy.delaying(LATE_SECONDS)),
    StoreFault("too slow", lambda _, proxy: proxy.delaying(2.0), is_dead=True),
    StoreFault("connections cut mid-reply", lambda _, proxy: proxy.cutting()),
    StoreFault("full of others' data", _filled_by_others),
    StoreFault("OOM", _out_of_memory),
    StoreFault("READONLY", _read_only),
    StoreFault("MASTERDOWN", _replica_without_data),
    StoreFault("LOADING", _loading, is_dead=True),
)
