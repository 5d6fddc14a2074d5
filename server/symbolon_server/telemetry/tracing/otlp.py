"""Sends spans by OTLP over HTTP, written with OpenTelemetry's own messages."""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import urllib3
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from symbolon_server.telemetry.software import software_version
from symbolon_server.telemetry.tracing.outbox import Sent
from symbolon_server.telemetry.tracing.spans import AttributeValue, EndedSpan
from symbolon_server.telemetry.tracing.variables import Collector

_US: Final = "symbolon"
_SCOPE: Final = InstrumentationScope(name=_US, version=software_version())
_TRY_LATER: Final = frozenset({429, 502, 503, 504})
_MOST_ANSWER_BYTES: Final = 1 << 16
_FIRST_KIND: Final = Span.SPAN_KIND_INTERNAL
_SAMPLED_FLAG: Final = 1
_ERROR: Final = Status(code=Status.STATUS_CODE_ERROR)
_MOST_KNOWN: Final = 256


class OtlpExporter:
    """Sends the spans of one process to its collector; for one thread."""

    def __init__(
        self,
        collector: Collector,
        resource: Mapping[str, str],
        timeout_seconds: float | None = None,
    ) -> None:
        """Send to `collector`, whose own timeout may be replaced."""
        self._url = collector.url
        self._is_compressed = collector.is_compressed
        self._headers = {**collector.headers, "Content-Type": "application/x-protobuf"}
        if collector.is_compressed:
            self._headers["Content-Encoding"] = "gzip"
        self._timeout = urllib3.Timeout(total=timeout_seconds or collector.timeout_seconds)
        self._pool = urllib3.PoolManager(
            ca_certs=collector.ca_file,
            cert_file=collector.certificate_file,
            key_file=collector.key_file,
        )
        self._resource = Resource(attributes=_attributes(resource.items()))
        self._known: dict[tuple[tuple[str, AttributeValue], ...], list[KeyValue]] = {}

    def send(self, spans: Sequence[EndedSpan]) -> Sent:
        """Send spans in one request; return what became of them."""
        body = self.encode(spans)
        if self._is_compressed:
            body = gzip.compress(body, 1)
        try:
            with self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=self._headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            ) as response:
                response.read(_MOST_ANSWER_BYTES)
                response.release_conn()
                status = response.status
        except (urllib3.exceptions.HTTPError, OSError):
            return Sent.UNREACHED
        if status in _TRY_LATER:
            return Sent.UNREACHED
        return Sent.TAKEN if status < 300 else Sent.REFUSED  # noqa: PLR2004 # success in HTTP

    def encode(self, spans: Sequence[EndedSpan]) -> bytes:
        """Return the request that sends these spans."""
        scope_spans = ScopeSpans(scope=_SCOPE, spans=map(self._convert, spans))
        own = ResourceSpans(resource=self._resource, scope_spans=[scope_spans])
        return ExportTraceServiceRequest(resource_spans=[own]).SerializeToString()

    def _convert(self, span: EndedSpan) -> Span:
        message = Span(
            trace_id=span.trace_id.to_bytes(16, "big"),
            span_id=span.span_id.to_bytes(8, "big"),
            trace_state=span.state,
            parent_span_id=span.parent_id.to_bytes(8, "big") if span.parent_id else b"",
            flags=_SAMPLED_FLAG,
            name=span.name,
            kind=_FIRST_KIND + span.kind,  # type: ignore[arg-type] # an enum is a number
            start_time_unix_nano=span.started_ns,
            end_time_unix_nano=span.ended_ns,
            attributes=self._attributes_of(span),
        )
        if span.error:
            message.status.CopyFrom(_ERROR)
        return message

    def _attributes_of(self, span: EndedSpan) -> list[KeyValue]:
        """Return the attributes; most spans have the same as one before."""
        items = tuple(span.attributes.items())
        if span.error:
            items += (("error.type", span.error),)
        found = self._known.get(items)
        if found is None:
            found = _attributes(items)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[items] = found
        return found


def _attributes(items: Iterable[tuple[str, AttributeValue]]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in items]


def _value(value: AttributeValue) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value)
