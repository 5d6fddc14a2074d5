"""Answers that were made and have not left: their bytes are bounded, whatever callers read.

HTTP/2 sends no more than the caller takes. What it does not take stays in memory for as long as
its connection lives, and the call is long over for the thread that answered it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

MAX_BYTES: Final = 256 << 20
"""As much as a process holds in memory of pages and frames."""

CALL_BYTES: Final = 16 << 10
"""What gRPC holds of a call besides its answer, about."""

SLOW_SECONDS: Final = 30.0
"""How long an answer may take to leave while there is no room for others."""

_BETWEEN_LOOKS_SECONDS: Final = 1.0


class Unread:
    """What one call or stream has not been read of; `UnreadAnswers` owns it."""

    __slots__ = ("caller", "held_bytes", "let_go", "since")

    def __init__(self, let_go: Callable[[], object], caller: str, since: float) -> None:
        self.let_go = let_go
        self.caller = caller
        self.since = since
        """When it was last empty, or something of it was read."""

        self.held_bytes = 0


class UnreadAnswers:
    """Counts the bytes of all answers until they have left; one lock guards it.

    One caller may hold as much as is free beside it: half of all if it is alone, and less the more
    there are, so that there is always something left for others. Where there is no room for an
    answer, calls that have waited for long are let go, of callers with no room for it either.
    """

    def __init__(
        self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold at most `max_bytes`, and always one answer, however large."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes = 0
        self._calls: dict[Unread, None] = {}
        self._of_callers: Counter[str] = Counter()
        self._next_look = clock()

    @property
    def held_bytes(self) -> int:
        """Bytes of all answers that have not left."""
        return self._bytes

    def is_full(self) -> bool:
        """Tell whether no answer has room; then make some, if any caller has long not read."""
        if self._bytes < self._max_bytes:
            return False
        self._let_go_slow(0)
        return True

    def may_answer(self, caller: str) -> bool:
        """Tell whether a caller has room for any answer; then make some, as `is_full` does."""
        with self._lock:
            has_room = self._has_room(caller, 0)
        if not has_room:
            self._let_go_slow(0)
        return has_room

    def open(self, let_go: Callable[[], object], caller: str) -> Unread:
        """Return what a call of `caller` has not been read of, nothing yet.

        `let_go` ends the call.
        """
        unread = Unread(let_go, caller, self._clock())
        with self._lock:
            self._calls[unread] = None
        return unread

    def add(self, unread: Unread, answer_bytes: int) -> bool:
        """Count an answer until it is read; return False where there is no room for it."""
        with self._lock:
            if unread not in self._calls:
                return True  # the caller is gone, and the answer goes nowhere
            has_room = self._has_room(unread.caller, answer_bytes)
            if has_room:
                self._count(unread, answer_bytes)
        if not has_room:
            self._let_go_slow(answer_bytes)
        return has_room

    def add_refusal(self, unread: Unread, refusal_bytes: int) -> None:
        """Count what takes the place of an answer, which is small, room or not."""
        with self._lock:
            if unread in self._calls:
                self._count(unread, refusal_bytes)

    def leave(self, unread: Unread, answer_bytes: int) -> None:
        """Count an answer no longer."""
        with self._lock:
            if unread in self._calls:
                unread.since = self._clock()
                unread.held_bytes -= answer_bytes
                self._uncount(unread, answer_bytes)

    def close(self, unread: Unread) -> None:
        """Count nothing of a call any more: it is over."""
        with self._lock:
            if self._calls.pop(unread, unread) is None:
                self._uncount(unread, unread.held_bytes)

    def _has_room(self, caller: str, answer_bytes: int) -> bool:
        held = self._of_callers.get(caller, 0)
        needed = answer_bytes + (held + answer_bytes if held else 0)
        return not self._bytes or self._bytes + needed <= self._max_bytes

    def _count(self, unread: Unread, more_bytes: int) -> None:
        if not unread.held_bytes:
            unread.since = self._clock()
        unread.held_bytes += more_bytes
        self._bytes += more_bytes
        self._of_callers[unread.caller] += more_bytes

    def _uncount(self, unread: Unread, fewer_bytes: int) -> None:
        self._bytes -= fewer_bytes
        self._of_callers[unread.caller] -= fewer_bytes
        if not self._of_callers[unread.caller]:
            del self._of_callers[unread.caller]

    def _let_go_slow(self, answer_bytes: int) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next_look:
                return
            self._next_look = now + _BETWEEN_LOOKS_SECONDS
            slow = [
                unread
                for unread in self._calls
                if unread.held_bytes
                and unread.since < now - SLOW_SECONDS
                and not self._has_room(unread.caller, answer_bytes)
            ]
        for unread in slow:
            unread.let_go()
