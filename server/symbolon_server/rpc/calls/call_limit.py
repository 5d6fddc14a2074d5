"""How many calls a server holds, and the refusal of more."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Never

import grpc

from symbolon_server.rpc.calls.in_pool import InPool
from symbolon_server.rpc.calls.status import refuse_for_now
from symbolon_server.telemetry.metrics import BEFORE_READING, CALLS_IN_FLIGHT, CALLS_REFUSED

if TYPE_CHECKING:  # generic in the stubs only
    from symbolon_server.rpc.calls.accepted_calls import AcceptedCall
    from symbolon_server.rpc.calls.unread_answers import UnreadAnswers

    Handler = grpc.RpcMethodHandler[Any, Any]

_REFUSING_THREADS = 2
_RETRY_AFTER_SECONDS = 0.25
"""When a full server is worth another try: a few times the length of an ordinary call."""

DRAIN_SECONDS = 0.25
"""How long a stopping server refuses calls itself, before gRPC does."""

_RETRY_AFTER_STOP_SECONDS = 2 * DRAIN_SECONDS
"""Who is refused comes back only when gRPC has closed the connection."""


class CallLimit:
    """Refuses calls to our services while the server holds as many as it may, or is stopping.

    gRPC's own `maximum_concurrent_rpcs` would refuse health checks too. Refusals have
    threads of their own, since the others are all taken when there is something to refuse.
    """

    def __init__(self, max_calls: int, unread: UnreadAnswers) -> None:
        """Hold `max_calls`, and take none while there is no room for its answer."""
        self._max_calls = max_calls
        self._unread = unread
        self._lock = threading.Lock()
        self._calls = 0
        self._told_calls = 0
        self._threads = ThreadPoolExecutor(_REFUSING_THREADS, thread_name_prefix="refuse")
        self._is_stopping = False
        # A handler of streams gets to refuse before the request's message has arrived.
        self._refusal: Handler = grpc.stream_stream_rpc_method_handler(
            InPool(self._refuse, self._threads)
        )
        BEFORE_READING.add(self._tell_calls)

    @property
    def calls(self) -> int:
        """Number of calls accepted and not ended."""
        return self._calls

    def refusal(self) -> Handler | None:
        """Return the function that refuses, or None while there is room."""
        if self._is_stopping or self._calls >= self._max_calls or self._unread.is_full():
            return self._refusal
        return None

    def enter(self) -> bool:
        """Count a call until it leaves; return False where there is no room for it."""
        with self._lock:
            has_room = self._calls < self._max_calls
            self._calls += has_room
        return has_room

    def leave(self) -> None:
        """Count a call no longer."""
        with self._lock:
            self._calls -= 1

    def refuse(self, call: AcceptedCall) -> None:
        """Refuse a call whose message is there."""
        self._threads.submit(call.answer, b"", self._refuse)

    def close(self) -> None:
        """Refuse all calls from now on: the server is stopping."""
        self._is_stopping = True

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()
        BEFORE_READING.remove(self._tell_calls)
        self._tell_calls()

    def _tell_calls(self) -> None:
        """Bring the metric up to date, which other servers may share."""
        with self._lock:
            grown, self._told_calls = self._calls - self._told_calls, self._calls
        CALLS_IN_FLIGHT.inc(grown)

    def _refuse(self, _requests: object, context: grpc.ServicerContext) -> Never:
        if self._is_stopping:
            refuse_for_now(
                context,
                grpc.StatusCode.UNAVAILABLE,
                "the server is stopping",
                _RETRY_AFTER_STOP_SECONDS,
            )
        if self._calls < self._max_calls:
            refuse_unread(context)
        refuse_full(context, f"it holds {self._max_calls} calls")


def refuse_unread(context: grpc.ServicerContext) -> Never:
    """End a call for whose answer there is no room."""
    refuse_full(context, "too much that it has answered was not read")


def refuse_full(context: grpc.ServicerContext, why: str) -> Never:
    """End a call that the server has no room for."""
    CALLS_REFUSED.inc()
    message = f"the server is full: {why}"
    refuse_for_now(context, grpc.StatusCode.RESOURCE_EXHAUSTED, message, _RETRY_AFTER_SECONDS)
