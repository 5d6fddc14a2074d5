"""The spans of round trips to the store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from symbolon_server.telemetry.tracing.spans import Kind, Span, child


@contextmanager
def store_span(operation: str, keys: int) -> Iterator[Span | None]:
    """Make a round trip for so many keys a part of the current trace, if there is one."""
    with child(f"{operation} store", Kind.CLIENT) as span:
        if span is not None:
            span.attributes |= {
                "db.system.name": "redis",
                "db.operation.name": operation,
                "db.operation.batch.size": keys,
            }
        yield span


def note_hits(span: Span | None, values: Sequence[object] | None) -> None:
    """Note how many keys a round trip found; `values` is None if it failed."""
    if span is None:
        return
    if values is None:
        span.error = "unanswered"
    else:
        span.attributes["symbolon.hits"] = sum(isinstance(value, bytes) for value in values)
