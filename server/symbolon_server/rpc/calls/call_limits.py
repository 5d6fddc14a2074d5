"""How much a server holds: calls in flight, and answers that have not left yet.

HTTP/2 flow control sends no more than the caller reads. The rest of an answer stays in memory for
as long as the connection lives, long after the thread that answered the call has moved on. So
answers count, in bytes, until they have left, however slowly callers read.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Never, TypeVar

import grpc

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall, InPool
from symbolon_server.rpc.calls.status import refuse_for_now
from symbolon_server.telemetry.metrics import BEFORE_READING, CALLS_IN_FLIGHT, CALLS_REFUSED

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]

T = TypeVar("T")

MAX_BYTES: Final = 256 << 20
"""As much as a process may keep of pages and frames."""

CALL_BYTES: Final = 16 << 10
"""Approximate memory that gRPC needs for a call besides its answer."""

SLOW_SECONDS: Final = 30.0
"""How long an answer may take to leave while there is no room for other answers."""

_CHECK_SECONDS: Final = 1.0

_REFUSING_THREADS = 2
_RETRY_AFTER_SECONDS = 0.25
"""When to retry while the server is full: a few times the length of an ordinary call."""

DRAIN_SECONDS = 0.25
"""How long a stopping server refuses calls itself, before gRPC does."""

_RETRY_AFTER_STOP_SECONDS = 2 * DRAIN_SECONDS
"""By then gRPC has closed the connection, so a refused caller does not come back to it."""


class Unread:
    """The unread answers of one call or stream; `UnreadAnswers` owns it."""

    __slots__ = ("caller", "drop", "held_bytes", "since")

    def __init__(self, drop: Callable[[], object], caller: str, since: float) -> None:
        self.drop = drop
        self.caller = caller
        self.since = since
        """When the caller last read something, or last had nothing to read."""

        self.held_bytes = 0


class UnreadAnswers:
    """Counts the bytes of all answers until they have left; one lock guards it.

    One caller may hold as many bytes as are free: half of the limit while it is the only one, and
    less with every other caller, so that some room is always left. If there is no room for another
    answer, calls that have long not been read are dropped, but only of callers without room.
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
        self._of_callers: Counter[str] = Counter()
        self._next_check = clock()

    @property
    def held_bytes(self) -> int:
        """Bytes of all answers that have not left yet."""
        return self._bytes

    def is_full(self) -> bool:
        """Return whether there is no room for an answer; if so, drop calls that are not read."""
        if self._bytes < self._max_bytes:
            return False
        self._drop_slow(0)
        return True

    def may_answer(self, caller: str) -> bool:
        """Return whether a caller has room for any answer; if not, drop calls as `is_full` does."""
        with self._lock:
            has_room = self._has_room(caller, 0)
        if not has_room:
            self._drop_slow(0)
        return has_room

    def open(self, drop: Callable[[], object], caller: str) -> Unread:
        """Start counting for a call of `caller`; `drop` ends the call."""
        unread = Unread(drop, caller, self._clock())
        with self._lock:
            self._calls[unread] = None
        return unread

    def add(self, unread: Unread, answer_bytes: int) -> bool:
        """Count an answer until it has left; return False if there is no room for it."""
        with self._lock:
            if unread not in self._calls:
                return True  # the caller is gone, so the answer takes no room
            has_room = self._has_room(unread.caller, answer_bytes)
            if has_room:
                self._count(unread, answer_bytes)
        if not has_room:
            self._drop_slow(answer_bytes)
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
                self._uncount(unread, answer_bytes)

    def close(self, unread: Unread) -> None:
        """Stop counting for a call: it is over."""
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

    def _drop_slow(self, answer_bytes: int) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next_check:
                return
            self._next_check = now + _CHECK_SECONDS
            slow = [
                unread
                for unread in self._calls
                if unread.held_bytes
                and unread.since < now - SLOW_SECONDS
                and not self._has_room(unread.caller, answer_bytes)
            ]
        for unread in slow:
            unread.drop()


class CallLimit:
    """Refuses calls to our services while the server is full or stopping.

    gRPC's own `maximum_concurrent_rpcs` would refuse health checks too. Refusals run in their own
    threads, because a full server has no other thread free.
    """

    def __init__(self, max_calls: int, unread: UnreadAnswers) -> None:
        """Allow `max_calls` at a time, and none while `unread` has no room for an answer."""
        self._max_calls = max_calls
        self._unread = unread
        self._lock = threading.Lock()
        self._calls = 0
        self._reported_calls = 0
        self._threads = ThreadPoolExecutor(_REFUSING_THREADS, thread_name_prefix="refuse")
        self._is_stopping = False
        # A handler of streams can refuse before the request's message has arrived.
        self._refusal: Handler = grpc.stream_stream_rpc_method_handler(
            InPool(self._refuse, self._threads)
        )
        BEFORE_READING.add(self._report_calls)

    @property
    def calls(self) -> int:
        """Number of calls in flight."""
        return self._calls

    def refusal(self) -> Handler | None:
        """Return the function that refuses, or None while there is room."""
        if self._is_stopping or self._calls >= self._max_calls or self._unread.is_full():
            return self._refusal
        return None

    def enter(self) -> bool:
        """Count a call as in flight; return False if there is no room for it."""
        with self._lock:
            has_room = self._calls < self._max_calls
            self._calls += has_room
        return has_room

    def leave(self) -> None:
        """Stop counting a call."""
        with self._lock:
            self._calls -= 1

    def refuse(self, call: AcceptedCall) -> None:
        """Refuse a call whose message has arrived."""
        self._threads.submit(call.answer, b"", self._refuse)

    def close(self) -> None:
        """Refuse all calls from now on: the server is stopping."""
        self._is_stopping = True

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()
        BEFORE_READING.remove(self._report_calls)
        self._report_calls()

    def _report_calls(self) -> None:
        """Update the metric, which other servers in this process may share."""
        with self._lock:
            grown, self._reported_calls = self._calls - self._reported_calls, self._calls
        CALLS_IN_FLIGHT.inc(grown)

    def _refuse(self, _requests: object, context: grpc.ServicerContext) -> Never:
        if self._is_stopping:
            message, code = "the server is stopping", grpc.StatusCode.UNAVAILABLE
            refuse_for_now(context, code, message, _RETRY_AFTER_STOP_SECONDS)
        if self._calls < self._max_calls:
            refuse_unread(context)
        refuse_full(context, f"{self._max_calls} calls in flight")


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


def refuse_unread(context: grpc.ServicerContext) -> Never:
    """End a call whose answer has no room."""
    refuse_full(context, "callers have not read too many of its answers")


def refuse_full(context: grpc.ServicerContext, why: str) -> Never:
    """Refuse a call for now: the server is full, and `why`."""
    CALLS_REFUSED.inc()
    message = f"the server is full: {why}"
    refuse_for_now(context, grpc.StatusCode.RESOURCE_EXHAUSTED, message, _RETRY_AFTER_SECONDS)
