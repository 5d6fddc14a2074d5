"""Calls of one kind, of which a server holds no more than so many."""

import threading
from functools import partial
from typing import Generic, TypeVar

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall

T = TypeVar("T")


class NewestCalls(Generic[T]):
    """Calls that are not over, each with what is kept of it; for one too many the oldest ends.

    It is cancelled: a status would wait behind an answer that its caller may never read.
    """

    def __init__(self, max_calls: int) -> None:
        """Hold nothing yet."""
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._calls: dict[AcceptedCall, T] = {}

    def __len__(self) -> int:
        """Return how many calls are held."""
        return len(self._calls)

    def add(self, call: AcceptedCall, kept: T) -> bool:
        """Hold a call until it is over; return False where it is already."""
        with self._lock:
            oldest = next(iter(self._calls)) if len(self._calls) >= self._max_calls else None
            if oldest is not None:
                del self._calls[oldest]
            self._calls[call] = kept
        if oldest is not None:
            oldest.cancel()
        is_held = call.when_over(partial(self._forget, call))
        if not is_held:
            self._forget(call)
        return is_held

    def kept(self) -> list[T]:
        """Return what is kept of each call."""
        with self._lock:
            return list(self._calls.values())

    def _forget(self, call: AcceptedCall) -> None:
        with self._lock:
            self._calls.pop(call, None)
