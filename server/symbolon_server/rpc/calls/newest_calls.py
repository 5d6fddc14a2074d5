"""Calls of one kind, of which a server holds a limited number."""

import threading
from functools import partial
from typing import Generic, TypeVar

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall

T = TypeVar("T")


class NewestCalls(Generic[T]):
    """Calls that are not over, each with a value; one call too many ends the oldest.

    The oldest is cancelled: a status would wait behind an answer that its caller may never read.
    """

    def __init__(self, max_calls: int) -> None:
        """Hold nothing yet."""
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._calls: dict[AcceptedCall, T] = {}

    def __len__(self) -> int:
        """Return how many calls are held."""
        return len(self._calls)

    def add(self, call: AcceptedCall, value: T) -> bool:
        """Hold a call until it is over; return False if it already is."""
        with self._lock:
            oldest = next(iter(self._calls)) if len(self._calls) >= self._max_calls else None
            if oldest is not None:
                del self._calls[oldest]
            self._calls[call] = value
        if oldest is not None:
            oldest.cancel()
        is_held = call.when_over(partial(self._forget, call))
        if not is_held:
            self._forget(call)
        return is_held

    def values(self) -> list[T]:
        """Return the values of the calls."""
        with self._lock:
            return list(self._calls.values())

    def _forget(self, call: AcceptedCall) -> None:
        with self._lock:
            self._calls.pop(call, None)
