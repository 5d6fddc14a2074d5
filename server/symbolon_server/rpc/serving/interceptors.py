"""What happens around every call: who is let through, metrics, the last resort.

Interceptors run on gRPC's single serving thread, one call after the other. They only choose
a handler there; all work is done in the call's own thread, by handlers wrapped once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never

import grpc

from symbolon_server.rpc.access.access import AccessControl, NameCaller, name_of_peer
from symbolon_server.rpc.calls.call_limit import CallLimit, refuse_unread
from symbolon_server.rpc.calls.in_pool import InPool
from symbolon_server.rpc.calls.last_resort import log_defect
from symbolon_server.rpc.calls.request_ids import REQUEST_ID_KEY, find_request_id, request_id_of
from symbolon_server.rpc.calls.status import code_of
from symbolon_server.rpc.calls.unread_answers import CALL_BYTES, UnreadAnswers
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import BEFORE_READING, CALL_SECONDS, CALLS
from symbolon_server.telemetry.tallies import Tally

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Continuation = Callable[[grpc.HandlerCallDetails], Handler | None]

_OUR_SERVICES = "/symbolon.v1."
_log = EventLog(__name__)


class CallGate(grpc.ServerInterceptor):
    """Lets calls to our services through, each to its method's function, wrapped once.

    It is the only interceptor, and after a method's first call it asks nobody for the function:
    each step here is taken by gRPC's one serving thread.
    """

    def __init__(self, access: AccessControl, limit: CallLimit, outermost: Outermost) -> None:
        self._access = access
        self._limit = limit
        self._outermost = outermost
        self._open: dict[str, Handler] = {}

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the method's function, or the one that refuses."""
        denial = self._access.refusal(handler_call_details)
        if denial is not None:
            return denial
        method = handler_call_details.method
        handler = self._open.get(method)
        if handler is None:
            found = continuation(handler_call_details)
            if found is None or not method.startswith(_OUR_SERVICES):
                return found
            handler = self._open[method] = self._outermost.wrap(found, method)
        return self._limit.refusal() or handler


class Outermost:
    """Counts and times every call to our services, and keeps the inside in when one fails."""

    def __init__(
        self,
        unread: UnreadAnswers,
        *,
        name_caller: NameCaller = name_of_peer,
        name_for_log: Callable[[grpc.ServicerContext], str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """With `name_for_log`, which names callers, write a line into the log for each call.

        Answers with no room among those that are `unread` are refused; `name_caller` tells callers
        apart there.
        """
        self._unread = unread
        self._name_caller = name_caller
        self._name_for_log = name_for_log
        self._clock = clock

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Return `handler`, watched."""
        watch = _Watch(
            method.rpartition("/")[2],
            self._unread,
            self._name_caller,
            self._clock,
            self._name_for_log,
        )
        codecs = handler.request_deserializer, handler.response_serializer
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(watch.unary(handler.unary_unary), *codecs)
        if handler.stream_stream is not None:
            behavior = handler.stream_stream
            watched = watch.stream(behavior)
            if isinstance(behavior, InPool):
                watched = InPool(watched, behavior.experimental_thread_pool)
            return grpc.stream_stream_rpc_method_handler(watched, *codecs)
        raise TypeError(f"{method}: no service of ours has a method of this shape")


_OK: Final = grpc.StatusCode.OK.name


class _Ended(NamedTuple):
    """A call that ended; of texts and numbers alone, which the garbage collector passes by."""

    method: str
    code: str
    seconds: float


def _count(calls: Sequence[_Ended]) -> None:
    for call in calls:
        CALL_SECONDS.labels(call.method).observe(call.seconds)
    for (method, code), count in Counter((call.method, call.code) for call in calls).items():
        CALLS.labels(method, code).inc(count)


_ENDED = Tally(_count, BEFORE_READING)


class _Watch:
    """Watches over the calls of one method."""

    def __init__(
        self,
        method: str,
        unread: UnreadAnswers,
        name_caller: NameCaller,
        clock: Callable[[], float],
        name_for_log: Callable[[grpc.ServicerContext], str] | None,
    ) -> None:
        self._method = method
        self._unread = unread
        self._name_caller = name_caller
        self._clock = clock
        self._name_for_log = name_for_log

    def unary(self, behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return `behavior` with one response, watched."""

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            started = self._clock()
            try:
                caller = self._name_caller(context)
                if not self._unread.may_answer(caller):
                    refuse_unread(context)
                response = behavior(request, context)
                self._hold(response, context, caller)
            except Exception as error:  # noqa: BLE001 # the last resort
                self._fail(context, error, started)
            self._end(context, started, code_of(context))
            return response

        return answer

    def _hold(self, response: Any, context: grpc.ServicerContext, caller: str) -> None:
        """Count an answer until it has left; end the call where there is no room for it."""
        size = len(response) if isinstance(response, bytes) else response.ByteSize()
        unread = self._unread.open(context.cancel, caller)
        if not self._unread.add(unread, size + CALL_BYTES):
            self._unread.close(unread)
            refuse_unread(context)
        if not context.add_callback(partial(self._unread.close, unread)):
            self._unread.close(unread)  # the caller is gone

    def stream(self, behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return `behavior` with many responses, watched."""

        def answer(requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            started = self._clock()
            try:
                yield from behavior(requests, context)
            except GeneratorExit:  # gRPC reads on no more
                self._end(context, started, grpc.StatusCode.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 # the last resort
                self._fail(context, error, started)
            code = code_of(context) if context.is_active() else grpc.StatusCode.CANCELLED
            self._end(context, started, code)

        return answer

    def _end(
        self, context: grpc.ServicerContext, started: float, code: grpc.StatusCode | None
    ) -> None:
        """Count a call that ended with `code`, None for OK."""
        seconds = self._clock() - started
        name = _OK if code is None else code.name
        _ENDED.note(_Ended(self._method, name, seconds))
        if self._name_for_log is not None:
            told = find_request_id(context.trailing_metadata())
            _log.info(
                "call_ended",
                method=self._method,
                code=name,
                caller=self._name_for_log(context),
                seconds=round(seconds, 6),
                request_id=told or request_id_of(context),
            )

    def _fail(self, context: grpc.ServicerContext, error: Exception, started: float) -> Never:
        """Let a call end that was ended on purpose; make an INTERNAL of any other error."""
        code = code_of(context)
        if code is not None or isinstance(error, grpc.RpcError):
            self._end(context, started, code)
            try:
                raise error
            finally:
                del error  # else what the call works on stays until cycles are looked for
        request_id = request_id_of(context)
        message = log_defect(error, self._method, request_id)
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        self._end(context, started, grpc.StatusCode.INTERNAL)
        context.abort(grpc.StatusCode.INTERNAL, message)
