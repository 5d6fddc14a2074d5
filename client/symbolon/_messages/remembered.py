"""What was made of bytes that come again and again."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Values made of bytes, none of them false, each made once for a while.

    When the keys take more than `limit` bytes, those that came first are forgotten, used or not:
    so a look needs no note of it. Any number of threads may ask; the lock is held for writing.
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
        return self._values.get(key) or self._remember(key)

    def get_all(self, keys: Iterable[bytes]) -> list[T]:
        """Return the value for each of these bytes."""
        keys = list(keys)
        try:
            return list(map(self._values.__getitem__, keys))
        except KeyError:
            return list(map(self.get, keys))

    def _remember(self, key: bytes) -> T:
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
