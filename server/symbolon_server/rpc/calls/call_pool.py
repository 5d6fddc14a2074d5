"""How many calls a server holds, the threads that answer them, and the refusal of more."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Never

import grpc

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall, InPool, Intake
from symbolon_server.rpc.calls.status import refuse_for_now
from symbolon_server.telemetry.metrics import BEFORE_READING, CALLS_IN_FLIGHT, CALLS_REFUSED

if TYPE_CHECKING:  # generic in the stubs only
    from symbolon_server.rpc.calls.arrivals import AwaitedCalls
    from symbolon_server.rpc.calls.unread_answers import UnreadAnswers

    Handler = grpc.RpcMethodHandler[Any, Any]

_REFUSING_THREADS = 2
_RETRY_AFTER_SECONDS = 0.25
"""When to retry while the server is full: a few times the length of an ordinary call."""

DRAIN_SECONDS = 0.25
"""How long a stopping server refuses calls itself, before gRPC does."""

_RETRY_AFTER_STOP_SECONDS = 2 * DRAIN_SECONDS
"""By then gRPC has closed the connection, so a refused caller does not come back to it."""


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


class CallPool(Intake):
    """The threads that answer calls. A call gets one once its message has arrived.

    The limit is checked then, too: all waiting calls may have started while there was room.
    """

    def __init__(self, threads: int, limit: CallLimit, awaited: AwaitedCalls) -> None:
        super().__init__(partial(awaited.expect, begin=self.begin))
        self._limit = limit
        self._answering = ThreadPoolExecutor(threads, thread_name_prefix="call")

    def begin(self, call: AcceptedCall, message: Any) -> None:
        """Queue a call whose message has arrived."""
        if self._limit.enter():
            self._answering.submit(self._answer, call, message)
        else:
            self._limit.refuse(call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads once all accepted calls are answered."""
        self._answering.shutdown(wait, cancel_futures=cancel_futures)

    def _answer(self, call: AcceptedCall, message: Any) -> None:
        try:
            if call.is_active():  # it may have waited for its thread
                call.answer(message)
        finally:
            self._limit.leave()


def refuse_unread(context: grpc.ServicerContext) -> Never:
    """End a call whose answer has no room."""
    refuse_full(context, "callers have not read too many of its answers")


def refuse_full(context: grpc.ServicerContext, why: str) -> Never:
    """Refuse a call for now: the server is full, and `why`."""
    CALLS_REFUSED.inc()
    message = f"the server is full: {why}"
    refuse_for_now(context, grpc.StatusCode.RESOURCE_EXHAUSTED, message, _RETRY_AFTER_SECONDS)
