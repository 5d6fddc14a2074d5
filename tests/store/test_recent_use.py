"""When pages that are used from memory are touched in the store."""

from collections.abc import Collection

from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_store import MOST_TOUCHED_KEYS, RecentUse, RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from tests.fixtures.redis_fixtures import FakeClock


class Touches(RedisPageStore):
    """Notes each touch; `test_redis_store.py` tests its effect in Redis."""

    def __init__(self) -> None:
        super().__init__(connect("redis://localhost"))  # which never connects
        self.seen: list[tuple[set[ModuleId], set[PageKey]]] = []

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        self.seen.append((set(module_ids), set(keys)))


def test_each_key_is_touched_once_in_an_interval(fake_clock: FakeClock, xul: ModuleId) -> None:
    touches = Touches()
    recent = RecentUse(touches, touch_seconds=30.0, clock=fake_clock)
    first, second = PageKey(xul, "1-a", 0), PageKey(xul, "1-a", 1)
    recent.note([xul], [first])
    recent.note([xul], [first])
    fake_clock.now += 29.9
    recent.note([], [second])
    assert touches.seen == []
    fake_clock.now += 0.1
    recent.note([], [first])
    assert touches.seen == [({xul}, {first, second})]
    fake_clock.now += 30.0
    recent.note([], [second])
    assert touches.seen[1:] == [(set(), {second})]


def test_the_number_of_collected_keys_is_bounded(fake_clock: FakeClock, xul: ModuleId) -> None:
    touches = Touches()
    recent = RecentUse(touches, touch_seconds=30.0, clock=fake_clock)
    for start in range(0, 3 * MOST_TOUCHED_KEYS, 1000):
        recent.note([], [PageKey(xul, "1-a", number) for number in range(start, start + 1000)])
    fake_clock.now += 30.0
    recent.note([], [])
    assert len(touches.seen[0][1]) == MOST_TOUCHED_KEYS
