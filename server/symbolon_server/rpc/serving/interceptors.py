"""What surrounds every call: admission, metrics, the access log, unexpected errors.

Interceptors run on gRPC's single serving thread, one call at a time. They only choose a handler
there; the call's own thread does the work, in handlers that are wrapped once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never

import grpc
from google.protobuf import descriptor_pool

from symbolon_server.rpc.access.access import (
    OUR_SERVICES,
    AccessControl,
    NameCaller,
    name_of_peer,
)
from symbolon_server.rpc.calls.accepted_calls import InPool
from symbolon_server.rpc.calls.call_limits import (
    CALL_BYTES,
    CallLimit,
    UnreadAnswers,
    refuse_unread,
)
from symbolon_server.rpc.calls.status import (
    REQUEST_ID_KEY,
    find_request_id,
    log_defect,
    request_id_of,
)
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import BEFORE_READING, CALL_SECONDS, CALLS, STREAM_ANSWERS
from symbolon_server.telemetry.tallies import Tally
from symbolon_server.telemetry.tracing.contexts import find_context
from symbolon_server.telemetry.tracing.spans import Kind, Span, set_current
from symbolon_server.telemetry.tracing.tracer import Tracer

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Continuation = Callable[[grpc.HandlerCallDetails], Handler | None]

CODES: Final = tuple(
    code.name
    for code in (
        grpc.StatusCode.OK,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    )
)
"""Every code that an admitted call, or a request of a stream, can end with."""

_SERVERS_FAULT: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""The codes that make the span of a server's call an error, by OpenTelemetry's conventions."""

_log = EventLog(__name__)


def begin_at_zero(services: Iterable[str]) -> None:
    """Create the metrics' series for all methods of `services`, given by their full names.

    The rate of a series that starts at 1 would leave out the first call.
    """
    pool = descriptor_pool.Default()
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            CALL_SECONDS.labels(method.name)
            for code in CODES:
                CALLS.labels(method.name, code)
    for code in CODES:
        STREAM_ANSWERS.labels(code)


class CallGate(grpc.ServerInterceptor):
    """Admits calls to our services, each to its method's function, wrapped once.

    It is the only interceptor, and it looks up a method's function only once: every step here
    takes time of gRPC's one serving thread.
    """

    def __init__(self, access: AccessControl, limit: CallLimit, outermost: Outermost) -> None:
        self._access = access
        self._limit = limit
        self._outermost = outermost
        self._open: dict[str, Handler] = {}

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the method's function, or one that refuses the call."""
        denial = self._access.refusal(handler_call_details)
        if denial is not None:
            return denial
        method = handler_call_details.method
        handler = self._open.get(method)
        if handler is None:
            found = continuation(handler_call_details)
            if found is None or not method.startswith(OUR_SERVICES):
                return found
            handler = self._open[method] = self._outermost.wrap(found, method)
        return self._limit.refusal() or handler


_OK: Final = grpc.StatusCode.OK.name


class _Ended(NamedTuple):
    """A call that ended; made of strings and numbers only, which the garbage collector skips."""

    method: str
    code: str
    seconds: float


def _count(calls: Sequence[_Ended]) -> None:
    for call in calls:
        CALL_SECONDS.labels(call.method).observe(call.seconds)
    for (method, code), count in Counter((call.method, call.code) for call in calls).items():
        CALLS.labels(method, code).inc(count)


_ENDED = Tally(_count, BEFORE_READING)


@dataclass(frozen=True, slots=True)
class Outermost:
    """Counts, times and logs the calls of one method, and hides unexpected errors from callers."""

    unread: UnreadAnswers
    """A call is refused if there is no room for an answer to its caller."""

    name_caller: NameCaller = name_of_peer
    name_for_log: Callable[[grpc.ServicerContext], str] | None = None
    """Names callers in one log line per call; None: no line."""

    clock: Callable[[], float] = time.perf_counter
    tracer: Tracer | None = None
    """Begins the spans of calls; None: there are none."""

    method: str = ""

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Return the `handler` of a method, wrapped."""
        watch = replace(self, method=method.rpartition("/")[2])
        codecs = handler.request_deserializer, handler.response_serializer
        spans = None if self.tracer is None else CallSpans(self.tracer, method)
        if handler.unary_unary is not None:
            watched = watch.unary(handler.unary_unary)
            if spans is not None:
                watched = spans.unary(watched)
            return grpc.unary_unary_rpc_method_handler(watched, *codecs)
        if handler.stream_stream is not None:
            behavior = handler.stream_stream
            watched = watch.stream(behavior)
            if spans is not None:
                watched = spans.stream(watched)
            if isinstance(behavior, InPool):
                watched = InPool(watched, behavior.experimental_thread_pool)
            return grpc.stream_stream_rpc_method_handler(watched, *codecs)
        raise TypeError(f"{method}: only unary and bidirectional methods are supported")

    def unary(self, behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a function with one response, wrapped."""

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            started = self.clock()
            try:
                caller = self.name_caller(context)
                if not self.unread.may_answer(caller):
                    refuse_unread(context)
                response = behavior(request, context)
                self._hold(response, context, caller)
            except Exception as error:  # noqa: BLE001 # the last resort
                self._fail(context, error, started)
            self._end(context, started, _code_of(context))
            return response

        return answer

    def _hold(self, response: Any, context: grpc.ServicerContext, caller: str) -> None:
        """Count an answer until it has left; end the call if there is no room for it."""
        size = len(response) if isinstance(response, bytes) else response.ByteSize()
        unread = self.unread.open(context.cancel, caller)
        if not self.unread.add(unread, size + CALL_BYTES):
            self.unread.close(unread)
            refuse_unread(context)
        if not context.add_callback(partial(self.unread.close, unread)):
            self.unread.close(unread)  # the caller is gone

    def stream(self, behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a function with many responses, wrapped."""

        def answer(requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            started = self.clock()
            try:
                yield from behavior(requests, context)
            except GeneratorExit:  # gRPC wants no more responses
                self._end(context, started, grpc.StatusCode.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 # the last resort
                self._fail(context, error, started)
            code = _code_of(context) if context.is_active() else grpc.StatusCode.CANCELLED
            self._end(context, started, code)

        return answer

    def _end(
        self, context: grpc.ServicerContext, started: float, code: grpc.StatusCode | None
    ) -> None:
        """Count and log a call that ended with `code`; None means OK."""
        seconds = self.clock() - started
        name = _OK if code is None else code.name
        _ENDED.note(_Ended(self.method, name, seconds))
        if self.name_for_log is not None:
            returned = find_request_id(context.trailing_metadata())
            _log.info(
                "call_ended",
                method=self.method,
                code=name,
                caller=self.name_for_log(context),
                seconds=round(seconds, 6),
                request_id=returned or request_id_of(context),
            )

    def _fail(self, context: grpc.ServicerContext, error: Exception, started: float) -> Never:
        """Let a deliberate end of the call pass; turn any other error into INTERNAL."""
        code = _code_of(context)
        if code is not None or isinstance(error, grpc.RpcError):
            self._end(context, started, code)
            try:
                raise error
            finally:
                del (
                    error
                )  # breaks a cycle that would keep the call's data until the next collection
        request_id = request_id_of(context)
        message = log_defect(error, self.method, request_id)
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        self._end(context, started, grpc.StatusCode.INTERNAL)
        context.abort(grpc.StatusCode.INTERNAL, message)


class CallSpans:
    """Makes a span of each sampled call of one method."""

    def __init__(self, tracer: Tracer, method: str) -> None:
        """Have `tracer` begin them; `method` is the full name, with a slash in front."""
        self._tracer = tracer
        self._name = method.removeprefix("/")

    def unary(self, behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a function with one response, in whose thread the span is current."""

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            span = self._begin(context)
            if span is None:
                return behavior(request, context)
            set_current(span)
            try:
                return behavior(request, context)
            finally:
                set_current(None)
                _end_span(span, _code_of(context))

        return answer

    def stream(self, behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a function with many responses; the span is current when it begins."""

        def answer(requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            span = self._begin(context)
            if span is None:
                yield from behavior(requests, context)
                return
            code: grpc.StatusCode | None = grpc.StatusCode.CANCELLED
            try:
                set_current(span)
                yield from behavior(requests, context)
                if context.is_active():
                    code = None
            finally:
                set_current(None)
                _end_span(span, _code_of(context) or code)

        return answer

    def _begin(self, context: grpc.ServicerContext) -> Span | None:
        caller = find_context(context.invocation_metadata())
        span = self._tracer.begin(self._name, Kind.SERVER, caller)
        if span is not None:
            span.attributes["rpc.system.name"] = "grpc"
            span.attributes["rpc.method"] = self._name
        return span


def _end_span(span: Span, code: grpc.StatusCode | None) -> None:
    """End the span of a call with its status code; None means OK."""
    name = _OK if code is None else code.name
    span.attributes["rpc.response.status_code"] = name
    if name in _SERVERS_FAULT:
        span.error = name
    span.end()


def _code_of(context: grpc.ServicerContext) -> grpc.StatusCode | None:
    """Return the status code that the call was ended with, or None while it is running."""
    code: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined] # the stubs lack it
    return code
