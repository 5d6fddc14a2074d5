"""How long one call goes on asking a store that gives no answer."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbolication.looking_up.counted_store import CountedStore
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey


class Clock:
    """The store's clock; the time of its pause after a failure is over whenever it is asked."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 10.0
        return self._now


@pytest.fixture
def frozen_store() -> Iterator[RedisPageStore]:
    """A store that hangs and that each request would try anew."""
    with EmbeddedRedis.start("store.conf") as server, connect(server.url) as client:
        client.ping()
        os.kill(server.process_id, signal.SIGSTOP)
        yield RedisPageStore(client, clock=Clock())
        os.kill(server.process_id, signal.SIGCONT)


@pytest.mark.promise("Redis servers that hang cost a call one second at most")
def test_a_call_waits_for_a_store_that_hangs_once_only(
    frozen_store: RedisPageStore, module_id: ModuleId
) -> None:
    key = PageKey(module_id, "1-a", 0)
    diagnostics = Diagnostics()
    store = CountedStore(frozen_store, TierName.STORE, diagnostics)
    start = time.monotonic()
    assert store.get_directories([module_id]) == [None]
    for _ in range(3):
        assert store.get_pages([key]) == [None]
        store.put_pages({key: b"page"})
        store.put_directories({module_id: b"directory"})
    assert time.monotonic() - start < 1.0
    assert not store.is_answering()
    assert diagnostics.tiers[TierName.STORE].lookups == 1


def test_the_next_call_asks_again(frozen_store: RedisPageStore, module_id: ModuleId) -> None:
    for _ in range(2):
        diagnostics = Diagnostics()
        CountedStore(frozen_store, TierName.STORE, diagnostics).get_directories([module_id])
        assert diagnostics.tiers[TierName.STORE].seconds > 0.25
