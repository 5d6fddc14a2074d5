"""Spans: what was done and when, as part of what. Without a trace none is made."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from enum import IntEnum
from random import getrandbits
from typing import Final, NamedTuple, ParamSpec, Self, TypeVar

from symbolon_server.telemetry.tracing.contexts import SpanContext

MOST_GATHERED: Final = 200
"""Spans of one ingest process; what it does after them is in no trace."""

_ID_BITS: Final = 64

P = ParamSpec("P")
T = TypeVar("T")

AttributeValue = str | int | float | bool


class Kind(IntEnum):
    """What a span is to the other side; the values are those of OpenTelemetry's API."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class EndedSpan(NamedTuple):
    """A span that ended, made of what JSON can hold."""

    name: str
    kind: int
    trace_id: int
    span_id: int
    parent_id: int
    """0 if it has no parent."""

    started_ns: int
    """Since 1970, by the clock of the day."""

    ended_ns: int
    attributes: Mapping[str, AttributeValue]
    error: str
    """Kind of the error that it ended with; empty if it succeeded."""

    state: str = ""


Sink = Callable[[EndedSpan], None]
"""Takes spans as they end, from any thread."""


def new_id() -> int:
    """Return a random id, which is never 0. A fork has a seed of its own."""
    return getrandbits(_ID_BITS) or 1  # it is no secret


class Span:
    """Something that is being done. Within `with` it is current in its thread, or asyncio task."""

    __slots__ = (
        "_ended",
        "_name",
        "_outer",
        "_parent_id",
        "_sink",
        "_started",
        "_started_ns",
        "attributes",
        "context",
        "error",
        "kind",
    )

    def __init__(
        self, name: str, kind: Kind, context: SpanContext, parent_id: int, sink: Sink
    ) -> None:
        """Begin; `sink` gets this span and its children."""
        self._name = name
        self._parent_id = parent_id
        self._sink = sink
        self._outer: Span | None = None
        self.kind = kind
        self.context = context
        self.attributes: dict[str, AttributeValue] = {}
        self.error = ""
        # Its duration is measured by a clock that nobody sets.
        self._started_ns = time.time_ns()
        self._started = time.perf_counter_ns()

    def child(self, name: str, kind: Kind = Kind.INTERNAL) -> Span:
        """Begin a part of this span."""
        trace_id, span_id, is_sampled, state = self.context
        context = SpanContext(trace_id, new_id(), is_sampled, state)
        return Span(name, kind, context, span_id, self._sink)

    def end(self) -> None:
        """End, and pass it on."""
        trace_id, span_id, _, state = self.context
        ended_ns = self._started_ns + time.perf_counter_ns() - self._started
        self._sink(
            EndedSpan(
                self._name,
                int(self.kind),
                trace_id,
                span_id,
                self._parent_id,
                self._started_ns,
                ended_ns,
                self.attributes,
                self.error,
                state,
            )
        )

    def __enter__(self) -> Self:
        self._outer = _CURRENT.get()
        _CURRENT.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _CURRENT.set(self._outer)
        if kind is not None and not self.error:
            self.error = kind.__name__
        self.end()


_CURRENT: ContextVar[Span | None] = ContextVar("current span", default=None)
_NOTHING: Final = nullcontext()


def set_current(span: Span | None) -> None:
    """Make a span current in this thread, or none."""
    _CURRENT.set(span)


def current_span() -> Span | None:
    """Return the span that this thread is in."""
    return _CURRENT.get()


def child(name: str, kind: Kind = Kind.INTERNAL) -> AbstractContextManager[Span | None]:
    """Begin a part of the current span; yield None if there is no current span."""
    parent = _CURRENT.get()
    return _NOTHING if parent is None else parent.child(name, kind)


def spanned(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make each call of a function a part of the current span, if there is one."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            parent = _CURRENT.get()
            if parent is None:
                return function(*args, **kwargs)
            with parent.child(name):
                return function(*args, **kwargs)

        return call

    return decorate


@contextmanager
def within(parent: Span | None) -> Iterator[None]:
    """Make `parent` current, which another thread began and ends."""
    outer = _CURRENT.get()
    _CURRENT.set(parent)
    try:
        yield
    finally:
        _CURRENT.set(outer)


@contextmanager
def gathering(parent: Span | None) -> Iterator[list[EndedSpan]]:
    """Gather the parts of `parent`, in a fork of the process that it belongs to."""
    gathered: list[EndedSpan] = []

    def gather(span: EndedSpan) -> None:
        if len(gathered) < MOST_GATHERED:
            gathered.append(span)

    if parent is None:
        yield gathered
        return
    context = parent.context
    with within(Span("", Kind.INTERNAL, context, 0, gather)):  # it is never ended here
        yield gathered
