"""Answers as they are received, decoded into values on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from symbolon._messages.decoding import decode, decode_frame, decode_module_result
from symbolon._messages.encoding import AnyReport
from symbolon._messages.fifo_cache import FifoCache
from symbolon.errors import SymbolonError
from symbolon.results import Diagnostics, SymbolicatedFrame, Symbolication
from symbolon.v1 import module_pb2, stack_pb2

CACHED_BYTES = 8 * 2**20
"""Of encoded frames; the values decoded from them take several times as much."""

ReportT_co = TypeVar("ReportT_co", bound=AnyReport, covariant=True)


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """The answer to one report, with its frames left encoded."""

    stacks: Sequence[Sequence[bytes]]
    """Each frame is an encoded `symbolon.v1.SymbolicatedFrame`."""

    modules: Sequence[module_pb2.ModuleResult]

    diagnostics: Any = None
    """A `symbolon.v1.Diagnostics`; `None` unless requested."""


@dataclass(frozen=True, slots=True)
class ReportResult(Generic[ReportT_co]):
    """The result of one of many reports."""

    report: ReportT_co
    """The report that you passed."""

    error: SymbolonError | None = None
    """Why there is no answer; `None` if there is one."""

    encoded: EncodedAnswer | None = None
    """The answer as received, for callers that do not need values."""

    def symbolication(self) -> Symbolication:
        """Return the answer; raise `error` if it is missing."""
        if self.encoded is not None:
            return decode_answer(self.encoded)
        raise self.error or SymbolonError("a result has an answer or an error")


def symbolication_of(number: int, result: ReportResult[Any]) -> Symbolication:
    """Return the answer to the numbered report; raise its error, with the number in front."""
    if result.error is not None:
        raise result.error.saying(f"reports[{number}]: {result.error}") from result.error.__cause__
    return result.symbolication()


def _decode_frame(data: bytes) -> SymbolicatedFrame:
    return decode_frame(stack_pb2.SymbolicatedFrame.FromString(data))


_frames = FifoCache(_decode_frame, CACHED_BYTES)


def decode_answer(answer: EncodedAnswer) -> Symbolication:
    """Return the answer as values; equal frames are the same object."""
    return Symbolication(
        stacks=tuple(tuple(_frames.get_all(stack)) for stack in answer.stacks),
        modules=tuple(map(decode_module_result, answer.modules)),
        diagnostics=(
            None if answer.diagnostics is None else decode(Diagnostics, answer.diagnostics)
        ),
    )
