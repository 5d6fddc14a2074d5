"""Answers as they come over the wire, and the values that are made of them when they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from symbolon._messages.encoding import AnyReport
from symbolon._messages.remembered import Remembered
from symbolon._messages.wire import decode_diagnostics, decode_frame, decode_module_result
from symbolon.errors import SymbolonError
from symbolon.results import SymbolicatedFrame, Symbolication
from symbolon.v1 import module_pb2, stack_pb2

REMEMBERED_BYTES = 8 * 2**20
"""Of encoded frames; the values made of them take several times as much."""

ReportT_co = TypeVar("ReportT_co", bound=AnyReport, covariant=True)


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """The answer to one report, its frames left encoded."""

    stacks: Sequence[Sequence[bytes]]
    """Each frame is an encoded `symbolon.v1.SymbolicatedFrame`."""

    modules: Sequence[module_pb2.ModuleResult]

    diagnostics: Any = None
    """A `symbolon.v1.Diagnostics`; `None` unless they were asked for."""


@dataclass(frozen=True, slots=True)
class ReportResult(Generic[ReportT_co]):
    """What became of one of many reports."""

    report: ReportT_co
    """The report itself, as it was given."""

    error: SymbolonError | None = None
    """Why there is no answer to it; `None` when there is one."""

    encoded: EncodedAnswer | None = None
    """The answer as it came, for who does not need it as values."""

    def symbolication(self) -> Symbolication:
        """Return the answer; raise `error` if there is none."""
        if self.encoded is not None:
            return decode_answer(self.encoded)
        raise self.error or SymbolonError("a result has an answer or an error")


def symbolication_of(number: int, result: ReportResult[Any]) -> Symbolication:
    """Return the answer to the numbered report; raise an error that says which report it is."""
    if result.error is not None:
        raise result.error.saying(f"reports[{number}]: {result.error}") from result.error.__cause__
    return result.symbolication()


def _decode_frame(data: bytes) -> SymbolicatedFrame:
    return decode_frame(stack_pb2.SymbolicatedFrame.FromString(data))


_frames = Remembered(_decode_frame, REMEMBERED_BYTES)


def decode_answer(answer: EncodedAnswer) -> Symbolication:
    """Return the answer as values; equal frames are one and the same value."""
    return Symbolication(
        stacks=tuple(tuple(_frames.get_all(stack)) for stack in answer.stacks),
        modules=tuple(map(decode_module_result, answer.modules)),
        diagnostics=(
            None if answer.diagnostics is None else decode_diagnostics(answer.diagnostics)
        ),
    )
