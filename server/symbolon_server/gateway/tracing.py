"""The spans of HTTP requests."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symbolon_server.telemetry.tracing.contexts import SpanContext, find_context
from symbolon_server.telemetry.tracing.spans import Kind, Span
from symbolon_server.telemetry.tracing.tracer import Tracer, unsampled

_SERVERS_FAULT = 500
_KEY = "symbolon.trace"
"""In the scope of a request: the context that its calls pass on."""


class TracedRequests:
    """Makes a span of each sampled request for some paths."""

    def __init__(self, app: ASGIApp, tracer: Tracer, paths: Collection[str]) -> None:
        """Trace POST requests for `paths` that `app` answers."""
        self._app = app
        self._tracer = tracer
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "POST" or path not in self._paths:
            await self._app(scope, receive, send)
            return
        headers = (
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        caller = find_context(headers)
        span = self._tracer.begin(f"POST {path}", Kind.SERVER, caller)
        scope[_KEY] = unsampled(caller) if span is None else span.context
        if span is None:
            await self._app(scope, receive, send)
            return
        span.attributes |= {
            "http.request.method": "POST",
            "http.route": path,
            "url.scheme": scope.get("scheme", "http"),
        }

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note_status(span, message["status"])
            await send(message)

        with span:
            await self._app(scope, receive, send_noted)


def trace_of(scope: Scope) -> SpanContext | None:
    """Return the context that the calls of a request pass on; None if nothing is traced."""
    found: SpanContext | None = scope.get(_KEY)
    return found


def _note_status(span: Span, status: int) -> None:
    span.attributes["http.response.status_code"] = status
    if status >= _SERVERS_FAULT:
        span.error = str(status)
