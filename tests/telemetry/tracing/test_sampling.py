"""Which traces are sampled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from symbolon_server.telemetry.tracing.contexts import SpanContext
from symbolon_server.telemetry.tracing.sampling import find_sampler

SAMPLED, UNSAMPLED = SpanContext(1, 2, True), SpanContext(1, 2, False)


@pytest.mark.parametrize(
    ("name", "alone", "sampled", "unsampled"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
    ],
)
def test_a_caller_counts_for_samplers_that_are_based_on_it(
    name: str, alone: bool, sampled: bool, unsampled: bool
) -> None:
    sample = find_sampler(name)
    callers = (None, SAMPLED, UNSAMPLED)
    assert [sample(caller, 2**127) for caller in callers] == [alone, sampled, unsampled]


@given(st.integers(1, 2**128 - 1), st.floats(0, 1))
def test_a_share_is_decided_as_opentelemetry_decides_it(trace_id: int, share: float) -> None:
    theirs = TraceIdRatioBased(share).should_sample(None, trace_id, "").decision
    is_sampled = theirs is Decision.RECORD_AND_SAMPLE
    assert find_sampler("traceidratio", repr(share))(None, trace_id) == is_sampled
    assert find_sampler("parentbased_traceidratio", repr(share))(SAMPLED, trace_id)


def test_without_a_share_all_are_sampled() -> None:
    assert find_sampler("traceidratio")(None, 2**128 - 1)


@pytest.mark.parametrize(
    ("name", "argument"),
    [("", ""), ("parentbased_", ""), ("traceidratio", "2"), ("traceidratio", "nan"), ("x", "")],
)
def test_what_is_no_sampler_is_refused(name: str, argument: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # its text is nobody's
        find_sampler(name, argument)
