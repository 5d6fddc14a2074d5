"""A collector of traces: a real HTTP server that takes OTLP, and misbehaves on request."""

import gzip
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PATIENCE_SECONDS = 60.0


class GotSpan(NamedTuple):
    """A span as it came."""

    service: str
    message: Span

    @property
    def name(self) -> str:
        return self.message.name

    @property
    def trace_id(self) -> str:
        return self.message.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.message.span_id.hex()

    @property
    def parent_id(self) -> str:
        return self.message.parent_span_id.hex()

    @property
    def attributes(self) -> dict[str, Any]:
        return values_of(self.message.attributes)

    @property
    def is_error(self) -> bool:
        return self.message.status.code == Status.STATUS_CODE_ERROR


def values_of(attributes: Any) -> dict[str, Any]:
    """Return attributes as plain values."""

    def value(one: KeyValue) -> Any:
        kind = one.value.WhichOneof("value")
        return None if kind is None else getattr(one.value, kind)

    return {one.key: value(one) for one in attributes}


class Collector:
    """Takes spans at `url` until it is closed."""

    def __init__(self) -> None:
        self.status = 200
        """Answered to each request; with another one than 200 nothing is taken."""

        self.headers: list[Mapping[str, str]] = []
        self.resources: list[dict[str, Any]] = []
        self._spans: list[GotSpan] = []
        self._changed = threading.Condition()
        collector = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._take(self.path, dict(self.headers), body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def spans(self) -> list[GotSpan]:
        """All spans so far."""
        with self._changed:
            return list(self._spans)

    def wait(self, is_there: Callable[[list[GotSpan]], object]) -> list[GotSpan]:
        """Return the spans as soon as they are as wanted."""
        with self._changed:
            found = self._changed.wait_for(lambda: is_there(self._spans), PATIENCE_SECONDS)
            assert found, [(span.service, span.name) for span in self._spans]
            return list(self._spans)

    def await_span(self, name: str) -> GotSpan:
        """Return the first span of this name."""
        spans = self.wait(lambda found: any(span.name == name for span in found))
        return next(span for span in spans if span.name == name)

    def await_request(self) -> None:
        """Wait until a request has come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.headers, PATIENCE_SECONDS)

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        assert path == "/v1/traces"
        assert headers["Content-Type"] == "application/x-protobuf"
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.headers.append(headers)
            if self.status == 200:
                for one in request.resource_spans:
                    resource = values_of(one.resource.attributes)
                    self.resources.append(resource)
                    service = resource.get("service.name", "")
                    messages = [span for scope in one.scope_spans for span in scope.spans]
                    self._spans += [GotSpan(service, message) for message in messages]
            self._changed.notify_all()
