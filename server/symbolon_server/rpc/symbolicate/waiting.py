"""How many calls may wait for ingests at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from symbolon_server.telemetry.metrics import CALLS_NOT_WAITING, CALLS_WAITING


class WaitingRoom:
    """Room for a number of waiting calls.

    A call that waits holds its thread. With room for half of the threads, calls for what
    is held always find a thread, however many cold calls there are.
    """

    def __init__(self, places: int, within: "WaitingRoom | None" = None) -> None:
        """Make room; `within` is the larger room of which this is a part."""
        self._places = threading.BoundedSemaphore(places)
        self._within = within

    @contextmanager
    def enter(self) -> Iterator[bool]:
        """Tell whether the caller may wait within the context; never blocks."""
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
