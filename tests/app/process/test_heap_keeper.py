"""When a serving process returns free memory to the system."""

import threading

from symbolon_server.app.process.heap_keeper import HeapKeeper, TrimTimes


def looks(*seconds: float) -> list[bool]:
    """Return whether each look trims the heap, by the processor seconds used before it."""
    times = TrimTimes()
    so_far = 0.0
    found = []
    for used in seconds:
        so_far += used
        found.append(times.is_due(so_far))
    return found


def test_what_was_freed_is_given_back_when_the_load_has_ended() -> None:
    assert looks(0.9, 0.9, 0.2, 0.001) == [False, False, True, False]


def test_a_call_now_and_then_is_followed_by_giving_back() -> None:
    assert looks(0.03, 0.0, 0.0, 0.05) == [True, False, False, True]


def test_an_idle_server_rarely_trims_its_heap() -> None:
    assert looks(*[0.002] * 100).count(True) <= 100 * 0.002 / 0.02


def test_during_a_load_it_is_seldom_given_back() -> None:
    assert looks(*[1.0] * 25) == [(number + 1) % 10 == 0 for number in range(25)]


def test_the_heap_keeper_ends_when_it_is_closed() -> None:
    heap_keeper = HeapKeeper(1 << 20)
    heap_keeper.start()
    heap_keeper.close()
    assert "heap-keeper" not in [thread.name for thread in threading.enumerate()]
