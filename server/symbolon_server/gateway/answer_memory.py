"""Bodies that come again: what they are as calls, and what the last response is in JSON."""

from collections import deque
from typing import NamedTuple

_MOST_BYTES = 32 * 2**20
_LARGEST = 4 * 2**20
"""An entry that takes more is not remembered."""

LARGEST_BODY = 2**18
"""A larger one is not looked for: it would take milliseconds to hash."""

_SEEN_ONCE = 1 << 13

Key = tuple[object, ...]
"""A body, and all that its answer depends on besides."""


class Remembered(NamedTuple):
    """A call, its response, and the answer written from it."""

    call: bytes
    response: bytes
    answer: bytes

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return len(self.call) + len(self.response) + len(self.answer)


class AnswerMemory:
    """The answers to bodies that came at least twice; for one thread.

    It saves reading a body and writing its answer, never the call: the server is asked each time,
    and an answer is used only if the response is the very same. So nothing in here can be out of
    date, neither after an invalidation nor for a caller with other permissions. The oldest entries
    are evicted.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: dict[Key, tuple[Remembered, int]] = {}
        self._seen: set[int] = set()
        self._order_seen: deque[int] = deque()

    def find(self, key: Key) -> Remembered | None:
        """Return what is remembered for a body."""
        found = self._entries.get(key)
        return None if found is None else found[0]

    def add(self, key: Key, body: bytes, found: Remembered) -> None:
        """Remember an answer if the body, which is part of the key, came before."""
        size = len(body) + found.size
        if size > _LARGEST or not self._came_before(key):
            return
        self._forget(key)
        self._entries[key] = found, size
        self._bytes += size
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._entries)))

    def _came_before(self, key: Key) -> bool:
        digest = hash(key)
        if digest in self._seen:
            return True
        self._seen.add(digest)
        self._order_seen.append(digest)
        if len(self._order_seen) > _SEEN_ONCE:
            self._seen.discard(self._order_seen.popleft())
        return False

    def _forget(self, key: Key) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self._bytes -= size
