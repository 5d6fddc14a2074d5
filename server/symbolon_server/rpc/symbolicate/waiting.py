"""How many calls may wait for ingests at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from symbolon_server.telemetry.metrics import CALLS_NOT_WAITING, CALLS_WAITING


class WaitingRoom:
    """A limited number of places for waiting calls.

    A waiting call holds its thread. With places for half of the threads, calls that can be
    answered at once always find a thread, however many calls wait.
    """

    def __init__(self, places: int, within: "WaitingRoom | None" = None) -> None:
        """Make `places`; a call also needs a place in the room `within`, if there is one."""
        self._places = threading.BoundedSemaphore(places)
        self._within = within

    @contextmanager
    def enter(self) -> Iterator[bool]:
        """Yield whether the caller may wait within the context; never blocks."""
        if not self._places.acquire(blocking=False):
            CALLS_NOT_WAITING.inc()
            yield False
            return
        try:
            with _count() if self._within is None else self._within.enter() as is_place:
                yield is_place
        finally:
            self._places.release()


@contextmanager
def _count() -> Iterator[bool]:
    CALLS_WAITING.inc()
    try:
        yield True
    finally:
        CALLS_WAITING.dec()
