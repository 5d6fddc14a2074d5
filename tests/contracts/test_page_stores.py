"""The contract in `store/page_stores.py`, for every page store."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import redis

from symbolon_server.store.cluster_store import ClusterPageStore
from symbolon_server.store.page_stores import PageStore
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from tests.fixtures.clusters import RunningCluster, redis_cluster
from tests.fixtures.memory_store import MemoryPageStore

__all__ = ["redis_cluster"]

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
LIBC = ModuleId.parse("libc.so.6", "0123456789ABCDEF0123456789ABCDEF0")
ODD_NAME = ModuleId.parse("a:b *?[é] %s", "0123456789ABCDEF0123456789ABCDEF1")
MEGABYTE = 1 << 20


class _Made(NamedTuple):
    """A store under test; the name is shown in the test's id."""

    name: str
    make: Callable[[redis.Redis], PageStore] | None
    """None for a cluster, which is started if it is asked for."""


STORES = [
    _Made("memory", lambda _client: MemoryPageStore(64 * MEGABYTE)),
    _Made("redis", RedisPageStore),
    _Made("cluster", None),
]


@pytest.fixture(params=STORES, ids=[made.name for made in STORES])
def store(
    request: pytest.FixtureRequest, redis_store: redis.Redis, clear_redis_store: None
) -> Iterator[PageStore]:
    made: _Made = request.param
    if made.make is not None:
        yield made.make(redis_store)
        return
    cluster: RunningCluster = request.getfixturevalue("redis_cluster")
    cluster.clear()
    with cluster.connect() as client:
        yield ClusterPageStore(client)


class TestEveryPageStore:
    def test_an_empty_store_misses_everything(self, store: PageStore) -> None:
        assert store.get_directories([XUL, LIBC]) == [None, None]
        assert store.get_pages([PageKey(XUL, "1-a", 0)]) == [None]

    def test_a_query_for_nothing_returns_nothing(self, store: PageStore) -> None:
        assert store.get_directories([]) == []
        assert store.get_pages([]) == []

    def test_pages_are_returned_in_the_order_asked(self, store: PageStore) -> None:
        keys = [PageKey(XUL, "1-a", number) for number in range(3)]
        store.put_pages({key: b"page %d" % key.number for key in keys})
        assert store.get_pages(keys[::-1]) == [b"page 2", b"page 1", b"page 0"]

    def test_a_miss_among_hits_keeps_its_place(self, store: PageStore) -> None:
        key = PageKey(LIBC, "1-a", 7)
        store.put_pages({key: b"page"})
        asked = [PageKey(LIBC, "1-a", 6), key, PageKey(LIBC, "1-a", 8), key]
        assert store.get_pages(asked) == [None, b"page", None, b"page"]

    def test_any_bytes_are_kept_as_they_are(self, store: PageStore) -> None:
        key, page = PageKey(XUL, "1-a", 0), bytes(range(256)) * 64
        store.put_pages({key: page})
        assert store.get_pages([key]) == [page]

    def test_an_empty_page_is_not_a_miss(self, store: PageStore) -> None:
        key = PageKey(XUL, "1-a", 0)
        store.put_pages({key: b""})
        assert store.get_pages([key]) == [b""]

    def test_pages_of_two_generations_never_mix(self, store: PageStore) -> None:
        old, new = PageKey(XUL, "1-a", 0), PageKey(XUL, "1-b", 0)
        store.put_pages({old: b"old"})
        assert store.get_pages([new]) == [None]
        store.put_pages({new: b"new"})
        assert store.get_pages([old, new]) == [b"old", b"new"]

    def test_a_later_directory_replaces_the_earlier_one(self, store: PageStore) -> None:
        store.put_directories({XUL: b"first"})
        store.put_directories({XUL: b"second"})
        assert store.get_directories([LIBC, XUL]) == [None, b"second"]

    def test_a_forgotten_module_has_no_directory(self, store: PageStore) -> None:
        store.put_directories({XUL: b"directory"})
        store.put_directories({LIBC: b"other"})
        store.forget(XUL)
        assert store.get_directories([XUL, LIBC]) == [None, b"other"]

    def test_forgetting_an_unknown_module_changes_nothing(self, store: PageStore) -> None:
        store.put_directories({LIBC: b"other"})
        store.forget(XUL)
        assert store.get_directories([LIBC]) == [b"other"]

    def test_a_debug_file_may_contain_any_character(self, store: PageStore) -> None:
        key = PageKey(ODD_NAME, "1-a", 0)
        store.put_pages({key: b"page"})
        store.put_directories({ODD_NAME: b"directory"})
        assert store.get_pages([key]) == [b"page"]
        assert store.get_directories([ODD_NAME]) == [b"directory"]

    def test_pages_of_several_batches_are_all_kept(self, store: PageStore) -> None:
        page = bytes(100_000)
        pages = {PageKey(XUL, "1-a", number): page for number in range(40)}
        store.put_pages(pages)
        assert store.get_pages(list(pages)) == [page] * 40

    def test_putting_no_pages_is_allowed(self, store: PageStore) -> None:
        store.put_pages({})
        assert store.get_pages([PageKey(XUL, "1-a", 0)]) == [None]

    def test_a_reachable_store_is_answering(self, store: PageStore) -> None:
        store.get_directories([XUL])
        assert store.is_answering()
