"""Trace contexts as other programs write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from symbolon_server.telemetry.tracing.contexts import (
    SpanContext,
    find_context,
    headers_of,
    read_context,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_context_has_ids_flag_and_state() -> None:
    found = read_context(f"00-{TRACE}-{SPAN}-01", "vendor=value")
    assert found == SpanContext(int(TRACE, 16), int(SPAN, 16), True, "vendor=value")
    assert found is not None
    assert headers_of(found) == (
        ("traceparent", f"00-{TRACE}-{SPAN}-01"),
        ("tracestate", "vendor=value"),
    )


def test_only_the_first_flag_says_that_a_trace_is_sampled() -> None:
    flags = [read_context(f"00-{TRACE}-{SPAN}-{flags}") for flags in ("00", "01", "02", "ff")]
    assert [found is not None and found.is_sampled for found in flags] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01.more",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"01-{TRACE}-{SPAN}-01-{'m' * 1_000_000}",
    ],
)
def test_what_is_no_context_is_ignored(text: str) -> None:
    assert read_context(text) is None


def test_a_later_version_may_have_more_fields() -> None:
    assert read_context(f"01-{TRACE}-{SPAN}-01-more") == read_context(f"00-{TRACE}-{SPAN}-01")


@pytest.mark.parametrize("state", ["a=1\nb=2", "a=ä", "a=" + "1" * 511])
def test_a_state_that_could_break_a_header_or_is_long_is_dropped(state: str) -> None:
    found = read_context(f"00-{TRACE}-{SPAN}-01", state)
    assert found is not None
    assert found.state == ""


def test_metadata_may_have_other_keys_and_bytes() -> None:
    parent = f"00-{TRACE}-{SPAN}-00"
    metadata: list[tuple[str, str | bytes]] = [
        ("a-bin", b"\0"),
        ("traceparent", parent),
        ("b", "c"),
    ]
    assert find_context(metadata) == SpanContext(int(TRACE, 16), int(SPAN, 16), False)
    assert find_context([("traceparent", b"x")]) is None
    assert find_context(None) is None


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from(["", "vendor=value", "a=1,b=2"]),
)
def test_opentelemetry_reads_what_we_write_and_we_what_it_writes(
    trace_id: int, span_id: int, is_sampled: bool, state: str
) -> None:
    ours = SpanContext(trace_id, span_id, is_sampled, state)
    other = TraceContextTextMapPropagator()
    context = other.extract(dict(headers_of(ours)))
    theirs = trace.get_current_span(context).get_span_context()
    assert (theirs.trace_id, theirs.span_id) == (trace_id, span_id)
    assert theirs.trace_flags.sampled == is_sampled
    written: dict[str, str] = {}
    other.inject(written, context)
    assert find_context(written.items()) == ours
