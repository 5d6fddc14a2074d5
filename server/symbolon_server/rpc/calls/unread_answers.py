"""Answers that have not left the server yet: their bytes are bounded, however slowly callers read.

HTTP/2 flow control sends no more than the caller reads. The rest stays in memory for as long as
the connection lives, long after the thread that answered the call has moved on.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

MAX_BYTES: Final = 256 << 20
"""As much as a process may keep of pages and frames."""

CALL_BYTES: Final = 16 << 10
"""Approximate memory that gRPC needs for a call besides its answer."""

SLOW_SECONDS: Final = 30.0
"""How long an answer may take to leave while there is no room for other answers."""

_CHECK_SECONDS: Final = 1.0


class Unread:
    """The unread answers of one call or stream; `UnreadAnswers` owns it."""

    __slots__ = ("drop", "held_bytes", "since")

    def __init__(self, drop: Callable[[], object], since: float) -> None:
        self.drop = drop
        self.since = since
        """When the caller last read something, or last had nothing to read."""

        self.held_bytes = 0


class UnreadAnswers:
    """Counts the bytes of all answers until they have left; one lock guards it.

    If there is no room for another answer, calls that have long not been read are dropped.
    """

    def __init__(
        self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold at most `max_bytes`, but always one answer, however large."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes = 0
        self._calls: dict[Unread, None] = {}
        self._next_check = clock()

    @property
    def held_bytes(self) -> int:
        """Bytes of all answers that have not left yet."""
        return self._bytes

    def is_full(self) -> bool:
        """Return whether there is no room for an answer; if so, drop calls that are not read."""
        if self._bytes < self._max_bytes:
            return False
        self._drop_slow()
        return True

    def open(self, drop: Callable[[], object]) -> Unread:
        """Start counting for a call; `drop` ends the call."""
        unread = Unread(drop, self._clock())
        with self._lock:
            self._calls[unread] = None
        return unread

    def add(self, unread: Unread, answer_bytes: int) -> bool:
        """Count an answer until it has left; return False if there is no room for it."""
        with self._lock:
            if unread not in self._calls:
                return True  # the caller is gone, so the answer takes no room
            has_room = not self._bytes or self._bytes + answer_bytes <= self._max_bytes
            if has_room:
                self._count(unread, answer_bytes)
        if not has_room:
            self._drop_slow()
        return has_room

    def add_refusal(self, unread: Unread, refusal_bytes: int) -> None:
        """Count a refusal, which is small, even if there is no room."""
        with self._lock:
            if unread in self._calls:
                self._count(unread, refusal_bytes)

    def leave(self, unread: Unread, answer_bytes: int) -> None:
        """Stop counting an answer."""
        with self._lock:
            if unread in self._calls:
                unread.since = self._clock()
                unread.held_bytes -= answer_bytes
                self._bytes -= answer_bytes

    def close(self, unread: Unread) -> None:
        """Stop counting for a call: it is over."""
        with self._lock:
            if self._calls.pop(unread, unread) is None:
                self._bytes -= unread.held_bytes

    def _count(self, unread: Unread, more_bytes: int) -> None:
        if not unread.held_bytes:
            unread.since = self._clock()
        unread.held_bytes += more_bytes
        self._bytes += more_bytes

    def _drop_slow(self) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next_check:
                return
            self._next_check = now + _CHECK_SECONDS
            slow = [
                unread
                for unread in self._calls
                if unread.held_bytes and unread.since < now - SLOW_SECONDS
            ]
        for unread in slow:
            unread.drop()
