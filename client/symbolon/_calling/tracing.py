"""Spans of calls, made by the OpenTelemetry that the program has set up.

Only clients with `tracing` import this: it needs the package `opentelemetry-api`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode


class TracedCalls(grpc.UnaryUnaryClientInterceptor):
    """Makes a span of each call with one response, and sends its context with the call."""

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        """Begin a call."""
        span = _begin(client_call_details.method)
        try:
            call = continuation(_with_context(client_call_details, span), request)
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        call.add_done_callback(lambda ended: _end(span, ended.code()))
        return call


class AsyncTracedCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """As `TracedCalls`, for asyncio."""

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        """Begin a call."""
        span = _begin(client_call_details.method)
        try:
            call = await continuation(_with_context(client_call_details, span), request)
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        call.add_done_callback(lambda ended: _end(span, _code_of(ended)))
        return call


def _begin(method: str | bytes) -> Span:
    name = (method.decode() if isinstance(method, bytes) else method).removeprefix("/")
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}
    tracer = trace.get_tracer("symbolon")
    return tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)


def _with_context(details: Any, span: Span) -> Any:
    """Return the details of a call that also sends the context of its span."""
    headers: dict[str, str] = {}
    propagate.inject(headers, trace.set_span_in_context(span))
    return _replace_metadata(details, [*(details.metadata or ()), *headers.items()])


def _replace_metadata(details: Any, metadata: Sequence[tuple[str, Any]]) -> Any:
    """Return a copy of the named tuple that gRPC passes, of either of its two classes."""
    is_async = isinstance(details, grpc.aio.ClientCallDetails)
    return details._replace(metadata=grpc.aio.Metadata(*metadata) if is_async else metadata)


def _code_of(ended: Any) -> grpc.StatusCode | None:
    """Return the status code of a call of `grpc.aio` that ended: it has it without waiting."""
    coroutine = ended.code()
    try:
        coroutine.send(None)
    except StopIteration as found:
        code: grpc.StatusCode = found.value
        return code
    coroutine.close()
    return None


def _end(span: Span, code: grpc.StatusCode | None) -> None:
    name = "UNKNOWN" if code is None else code.name
    span.set_attribute("rpc.response.status_code", name)
    if code is grpc.StatusCode.OK:
        span.end()
    else:
        _fail(span, name)


def _fail(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR))
    span.end()
