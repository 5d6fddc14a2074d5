"""Places of calls whose message has not arrived yet."""

from collections import Counter
from random import Random
from typing import Any

from symbolon_server.rpc.calls.arrivals import AwaitedCalls

PLACES = 6


class SilentCall:
    """A call whose message never comes."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.is_refused = False

    def address(self) -> str:
        return self._address

    def receive(self, _arrived: object) -> bool:
        return True

    def refuse(self, _refuse: object) -> None:
        self.is_refused = True


def test_places_are_shared_as_a_count_of_all_calls_says() -> None:
    random, now = Random(7), [0.0]
    awaited = AwaitedCalls(PLACES, lambda: now[0])
    calls: list[Any] = []
    for _ in range(2_000):
        now[0] += random.choice((0.0, 0.01, 0.3))
        if random.random() < 0.8:
            call: Any = SilentCall(f"10.0.0.{random.randrange(5)}")
            awaited.expect(call, lambda *_: None)
            calls.append(call)
        else:
            gone = awaited.take_excess() + awaited.take_late(now[0] - 2.0)
            calls = [call for call in calls if call not in gone]
        calls = [call for call in calls if not call.is_refused]
        by_address = Counter(call.address() for call in calls)
        assert list(awaited._calls) == calls
        assert awaited._places == by_address
        assert awaited._within_shares == sum(min(n, PLACES // 2) for n in by_address.values())


def test_after_a_burst_each_address_has_half_of_the_places_at_most() -> None:
    now = [0.0]
    awaited = AwaitedCalls(PLACES, lambda: now[0])
    modest: Any = SilentCall("10.0.0.1")
    for call in (modest, *(SilentCall("10.0.0.2") for _ in range(20))):
        silent: Any = call
        awaited.expect(silent, lambda *_: None)
    now[0] = 1.0
    awaited.take_excess()
    assert Counter(call.address() for call in awaited._calls) == {"10.0.0.1": 1, "10.0.0.2": 3}
