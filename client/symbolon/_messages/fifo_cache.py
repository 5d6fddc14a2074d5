"""Values computed from bytes that recur."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class FifoCache(Generic[T]):
    """Values made of bytes, each once while it is cached; a value must not be false. Thread-safe.

    When the keys exceed `limit` bytes the oldest entries are evicted, used or not, so that a lookup
    needs no bookkeeping. The lock is held for writing only.
    """

    def __init__(self, make: Callable[[bytes], T], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._lock = Lock()
        self._bytes = 0
        self._values: dict[bytes, T] = {}
        self._order: deque[bytes] = deque()

    def get(self, key: bytes) -> T:
        """Return the value for these bytes."""
        return self._values.get(key) or self._add(key)

    def get_all(self, keys: Iterable[bytes]) -> list[T]:
        """Return the value for each of these bytes."""
        keys = list(keys)
        try:
            return list(map(self._values.__getitem__, keys))
        except KeyError:
            return list(map(self.get, keys))

    def _add(self, key: bytes) -> T:
        value = self._make(key)
        with self._lock:
            if key not in self._values:  # another thread may have been faster
                self._values[key] = value
                self._order.append(key)
                self._bytes += len(key)
            while self._bytes > self._limit:
                oldest = self._order.popleft()
                del self._values[oldest]
                self._bytes -= len(oldest)
        return value
