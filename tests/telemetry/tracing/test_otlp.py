"""Spans sent to a real collector."""

import socket

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from symbolon_server.telemetry.tracing.otlp import OtlpExporter
from symbolon_server.telemetry.tracing.outbox import Sent
from symbolon_server.telemetry.tracing.spans import AttributeValue, EndedSpan, Kind
from symbolon_server.telemetry.tracing.variables import read_collector
from tests.telemetry.tracing.collector import Collector

SPAN = EndedSpan("MGET store", Kind.CLIENT, 2**127 + 5, 2**63 + 6, 7, 100, 250, {}, "", "a=b")
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def exporter_for(collector: Collector, **more: str) -> OtlpExporter:
    return OtlpExporter(
        read_collector({ENDPOINT: collector.url, **more}), {"service.name": "ours"}, 10.0
    )


def test_a_span_arrives_as_it_was(collector: Collector) -> None:
    given: dict[str, AttributeValue] = {"text": "ä", "number": -3, "share": 0.5, "flag": True}
    assert exporter_for(collector).send([SPAN._replace(attributes=given)]) is Sent.TAKEN
    (got,) = collector.spans
    assert (got.service, got.name, got.attributes, got.is_error) == (
        *("ours", "MGET store", given),
        False,
    )
    message = got.message
    assert message.kind == Message.SPAN_KIND_CLIENT
    assert int.from_bytes(message.trace_id) == SPAN.trace_id
    assert int.from_bytes(message.span_id) == SPAN.span_id
    assert int.from_bytes(message.parent_span_id) == 7
    assert (message.start_time_unix_nano, message.end_time_unix_nano) == (100, 250)
    assert message.trace_state == "a=b"


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_has_the_same_name_in_otlp(collector: Collector, kind: Kind) -> None:
    exporter_for(collector).send([SPAN._replace(kind=kind, parent_id=0)])
    (got,) = collector.spans
    assert Message.SpanKind.Name(got.message.kind) == f"SPAN_KIND_{kind.name}"
    assert got.parent_id == ""


def test_an_error_has_its_kind(collector: Collector) -> None:
    exporter_for(collector).send([SPAN._replace(error="unanswered"), SPAN])
    failed, sound = collector.spans
    assert (failed.is_error, failed.attributes) == (True, {"error.type": "unanswered"})
    assert (sound.is_error, sound.attributes) == (False, {})


def test_headers_and_compression_are_those_of_the_variables(collector: Collector) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20token",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    assert exporter_for(collector, **variables).send([SPAN] * 100) is Sent.TAKEN
    assert len(collector.spans) == 100
    (headers,) = collector.headers
    assert headers["Authorization"] == "Bearer token"
    assert int(headers["Content-Length"]) < 1_000


@pytest.mark.parametrize(
    ("status", "sent"),
    [(200, Sent.TAKEN), (400, Sent.REFUSED), (302, Sent.REFUSED), (503, Sent.UNREACHED)],
)
def test_the_status_tells_what_became_of_spans(
    collector: Collector, status: int, sent: Sent
) -> None:
    collector.status = status
    exporter = exporter_for(collector)
    assert [exporter.send([SPAN]), exporter.send([SPAN])] == [sent, sent]


def test_nothing_is_raised_without_a_collector() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        exporter = OtlpExporter(read_collector({ENDPOINT: url}), {})
        assert exporter.send([SPAN]) is Sent.UNREACHED


def test_a_collector_that_hangs_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        exporter = OtlpExporter(read_collector({ENDPOINT: url}), {}, timeout_seconds=0.05)
        assert exporter.send([SPAN]) is Sent.UNREACHED
