"""Begins the traces, and the parts of traces, that a program is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbolon_server.telemetry.tracing.contexts import SpanContext
from symbolon_server.telemetry.tracing.spans import Kind, Span, new_id

if TYPE_CHECKING:  # a program that is not traced does without them
    from symbolon_server.telemetry.tracing.outbox import Outbox
    from symbolon_server.telemetry.tracing.sampling import Sample


class Tracer:
    """Begins the outermost span of a call or a job, if its trace is sampled; thread-safe."""

    def __init__(self, sample: Sample, outbox: Outbox) -> None:
        """Let `sample` decide; ended spans go to `outbox`."""
        self._sample = sample
        self.outbox = outbox

    def begin(self, name: str, kind: Kind, caller: SpanContext | None) -> Span | None:
        """Return a span within the caller's, or that of a new trace; None if it is not sampled."""
        trace_id = new_trace_id() if caller is None else caller.trace_id
        if not self._sample(caller, trace_id):
            return None
        if caller is None:
            return Span(name, kind, SpanContext(trace_id, new_id(), True), 0, self.outbox.add)
        context = SpanContext(trace_id, new_id(), True, caller.state)
        return Span(name, kind, context, caller.span_id, self.outbox.add)


def unsampled(caller: SpanContext | None) -> SpanContext:
    """Return what tells others not to trace what belongs to a trace that is not sampled."""
    if caller is not None:
        return caller._replace(is_sampled=False)
    return SpanContext(new_trace_id(), new_id(), is_sampled=False)


def new_trace_id() -> int:
    """Return the id of a new trace."""
    return new_id() << 64 | new_id()
