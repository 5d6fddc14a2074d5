"""When the store hears of what is used from memory."""

from collections.abc import Collection
from dataclasses import dataclass, field

from symbolon_server.store.recent_use import MOST_KEYS, RecentUse
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from tests.fixtures.redis_fixtures import FakeClock


@dataclass
class Touches:
    """Notes each touch; what Redis does with it is tested with the Redis store."""

    seen: list[tuple[set[ModuleId], set[PageKey]]] = field(default_factory=list)

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        self.seen.append((set(module_ids), set(keys)))


def test_the_store_is_told_of_each_key_once_in_an_interval(
    fake_clock: FakeClock, xul: ModuleId
) -> None:
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


def test_no_more_than_a_bounded_number_of_keys_is_kept(
    fake_clock: FakeClock, xul: ModuleId
) -> None:
    touches = Touches()
    recent = RecentUse(touches, touch_seconds=30.0, clock=fake_clock)
    for start in range(0, 3 * MOST_KEYS, 1000):
        recent.note([], [PageKey(xul, "1-a", number) for number in range(start, start + 1000)])
    fake_clock.now += 30.0
    recent.note([], [])
    assert len(touches.seen[0][1]) == MOST_KEYS
