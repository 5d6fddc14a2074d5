"""Reads and writes between the tiers."""

from collections.abc import Mapping, Sequence

import pytest

from symbolon_server.store.page_stores import TieredPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from tests.fixtures.memory_store import MemoryPageStore


class WatchedStore(MemoryPageStore):
    """A memory store that records requests."""

    def __init__(self, max_bytes: int = 1_000_000) -> None:
        super().__init__(max_bytes)
        self.asked: list[Sequence[ModuleId | PageKey]] = []
        self.put: list[Mapping[ModuleId, bytes]] = []

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        self.asked.append(list(module_ids))
        return super().get_directories(module_ids)

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        self.asked.append(list(keys))
        return super().get_pages(keys)

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        self.put.append(directories)
        super().put_directories(directories)


@pytest.fixture
def tiers() -> tuple[WatchedStore, WatchedStore, WatchedStore]:
    return WatchedStore(), WatchedStore(), WatchedStore()


def test_a_tier_is_asked_only_for_what_those_above_it_miss(
    tiers: tuple[WatchedStore, WatchedStore, WatchedStore], xul: ModuleId
) -> None:
    keys = [PageKey(xul, "1-a", number) for number in range(4)]
    tiers[0].put_pages({keys[0]: b"0"})
    tiers[1].put_pages({keys[1]: b"1"})
    tiers[2].put_pages({keys[2]: b"2"})
    assert TieredPageStore(tiers).get_pages(keys) == [b"0", b"1", b"2", None]
    assert [tier.asked for tier in tiers] == [[keys], [keys[1:]], [keys[2:]]]


def test_tiers_below_are_not_asked_when_nothing_is_missing(
    tiers: tuple[WatchedStore, WatchedStore, WatchedStore], xul: ModuleId
) -> None:
    tiers[0].put_directories({xul: b"directory"})
    assert TieredPageStore(tiers).get_directories([xul, xul]) == [b"directory"] * 2
    assert tiers[0].asked == [[xul]]
    assert tiers[1].asked == []


def test_a_hit_is_stored_in_every_tier_above(
    tiers: tuple[WatchedStore, WatchedStore, WatchedStore], xul: ModuleId
) -> None:
    key = PageKey(xul, "1-a", 0)
    tiers[2].put_pages({key: b"page"})
    tiers[2].put_directories({xul: b"directory"})
    stores = TieredPageStore(tiers)
    stores.get_pages([key])
    stores.get_directories([xul])
    for above in tiers[:2]:
        assert above.get_pages([key]) == [b"page"]
        assert above.get_directories([xul]) == [b"directory"]


def test_directories_of_many_modules_are_stored_above_at_once(
    tiers: tuple[WatchedStore, WatchedStore, WatchedStore], xul: ModuleId, libc: ModuleId
) -> None:
    tiers[1].put_directories({xul: b"of xul", libc: b"of libc"})
    TieredPageStore(tiers).get_directories([xul, libc])
    assert tiers[0].put == [{xul: b"of xul", libc: b"of libc"}]


def test_writes_and_deletes_reach_every_tier(
    tiers: tuple[WatchedStore, WatchedStore, WatchedStore], xul: ModuleId
) -> None:
    stores, key = TieredPageStore(tiers), PageKey(xul, "1-a", 0)
    stores.put_pages({key: b"page"})
    stores.put_directories({xul: b"directory"})
    assert [tier.get_pages([key]) for tier in tiers] == [[b"page"]] * 3
    assert [tier.get_directories([xul]) for tier in tiers] == [[b"directory"]] * 3
    stores.forget(xul)
    assert [tier.get_directories([xul]) for tier in tiers] == [[None]] * 3


def test_there_is_room_only_if_every_tier_has_room(xul: ModuleId) -> None:
    small = MemoryPageStore(10_000)
    stores = TieredPageStore([MemoryPageStore(1_000_000), small])
    assert stores.has_room()
    small.put_pages({PageKey(xul, "1-a", 0): bytes(4_600), PageKey(xul, "1-a", 1): bytes(4_600)})
    assert not stores.has_room()


def test_no_tiers_hold_nothing(xul: ModuleId) -> None:
    assert TieredPageStore([]).get_directories([xul]) == [None]
