"""Trace contexts, as W3C Trace Context writes them into headers and metadata."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?", re.ASCII
)
_KNOWN_VERSION: Final = "00"
_LONGEST_PARENT: Final = 256
_SAMPLED: Final = 0x01

_STATE: Final = re.compile(r"[ -~]{1,512}", re.ASCII)


class SpanContext(NamedTuple):
    """Identifies a span to other programs."""

    trace_id: int
    span_id: int
    is_sampled: bool
    state: str = ""
    """What other tracing systems pass on with the trace, see `TRACESTATE`."""

    @property
    def traceparent(self) -> str:
        """The value of the header `traceparent`."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.is_sampled):02x}"


def read_context(traceparent: str, state: str = "") -> SpanContext | None:
    """Return the context in these headers, or None without a valid one.

    An invalid `state` is dropped.
    """
    found = _TRACEPARENT.fullmatch(traceparent) if len(traceparent) <= _LONGEST_PARENT else None
    if found is None or (found[1] == _KNOWN_VERSION and found[5] is not None):
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.group(2, 3, 4))
    if not trace_id or not span_id:
        return None
    sound = _STATE.fullmatch(state)
    return SpanContext(trace_id, span_id, bool(flags & _SAMPLED), state if sound else "")


def find_context(headers: Iterable[tuple[str, str | bytes]] | None) -> SpanContext | None:
    """Return the context in the metadata of a call, or in headers with names in lower case."""
    parent = state = ""
    for key, value in headers or ():
        if key == TRACEPARENT and isinstance(value, str):
            parent = value
        elif key == TRACESTATE and isinstance(value, str):
            state = value
    return read_context(parent, state) if parent else None


def headers_of(context: SpanContext) -> tuple[tuple[str, str], ...]:
    """Return the metadata that passes a context on."""
    own = (TRACEPARENT, context.traceparent)
    return (own, (TRACESTATE, context.state)) if context.state else (own,)
