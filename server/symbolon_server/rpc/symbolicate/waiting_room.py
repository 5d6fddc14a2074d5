"""How many calls may wait for ingests at the same time."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from symbolon_server.telemetry.metrics import CALLS_NOT_WAITING, CALLS_WAITING


class WaitingRoom:
    """A limited number of places for waiting calls.

    A waiting call holds its thread. With places for half of the threads, calls that can be
    answered at once always find a thread, however many calls wait. One caller may hold half of
    the places.
    """

    def __init__(self, places: int, within: "WaitingRoom | None" = None) -> None:
        """Make `places`; `within` is the larger room of which this is one caller's part."""
        self._places = places
        self._of_one = (places + 1) // 2 if within is None else places
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._within = within

    @contextmanager
    def enter(self, caller: str) -> Iterator[bool]:
        """Yield whether a call of `caller` may wait within the context; never blocks."""
        if not self._take(caller):
            CALLS_NOT_WAITING.inc()
            yield False
            return
        try:
            with _count() if self._within is None else self._within.enter(caller) as is_place:
                yield is_place
        finally:
            self._give_back(caller)

    def _take(self, caller: str) -> bool:
        with self._lock:
            taken = self._taken.get(caller, 0)
            if self._taken.total() >= self._places or taken >= self._of_one:
                return False
            self._taken[caller] = taken + 1
            return True

    def _give_back(self, caller: str) -> None:
        with self._lock:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


@contextmanager
def _count() -> Iterator[bool]:
    CALLS_WAITING.inc()
    try:
        yield True
    finally:
        CALLS_WAITING.dec()
