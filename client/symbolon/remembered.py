"""What was made of bytes that come again and again."""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Values made of bytes, each made once as long as it is asked for now and then.

    None of them is false.
    Two generations of at most `limit` bytes of keys each: what is not asked for while the young
    one fills is forgotten with the old one. Any number of threads may ask; the lock is held for
    writing only.
    """

    def __init__(self, make: Callable[[bytes], T], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._lock = Lock()
        self._bytes = 0
        self._young: dict[bytes, T] = {}
        self._old: dict[bytes, T] = {}

    def get(self, key: bytes) -> T:
        """Return the value for these bytes."""
        return self._young.get(key) or self._find(key)

    def get_all(self, keys: Iterable[bytes]) -> list[T]:
        """Return the value for each of these bytes."""
        keys = list(keys)
        found = list(map(self._young.get, keys))
        if all(found):
            return found  # type: ignore[return-value]  # none of them is None
        return [value or self._find(key) for value, key in zip(found, keys, strict=True)]

    def _find(self, key: bytes) -> T:
        value = self._young.get(key)
        if value is not None:
            return value
        value = self._old.get(key)
        if value is None:
            value = self._make(key)
        with self._lock:
            if self._bytes + len(key) > self._limit:
                self._old, self._young, self._bytes = self._young, {}, 0
            self._young[key] = value
            self._bytes += len(key)
        return value
