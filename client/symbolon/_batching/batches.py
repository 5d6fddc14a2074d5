"""Reports that are sent together: their requests, and how the responses are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from symbolon._batching.divided_calls import Piece, join
from symbolon._batching.joint_calls import FieldNames, JointCall
from symbolon._batching.partial_answers import NOTHING_FOUND, PartialAnswer, UnknownFrames
from symbolon._batching.run_memory import RunMemory
from symbolon._calling.options import CALLS_IN_FLIGHT
from symbolon._messages.answers import EncodedAnswer, ReportResult
from symbolon._messages.encoding import AnyReport
from symbolon._messages.raw_messages import RawRequest, RawResponse
from symbolon.errors import (
    DeadlineError,
    InvalidReportError,
    InvalidRequestError,
    MessageTooLargeError,
    ServerDefectError,
    SymbolonError,
)

ReportT = TypeVar("ReportT", bound=AnyReport)

OWN_ERRORS = (
    DeadlineError,
    InvalidReportError,
    InvalidRequestError,
    MessageTooLargeError,
    ServerDefectError,
)
"""Errors that one report may cause; any other would fail all reports after it too."""


@dataclass(frozen=True, slots=True)
class Batch(ABC, Generic[ReportT]):
    """Some reports in their order, and the requests that answer them."""

    reports: Sequence[ReportT]

    @property
    def requests(self) -> Sequence[RawRequest]:
        """What to send; empty if `read` needs no response."""
        return ()

    @abstractmethod
    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return the answer to each report, or raise one of `OWN_ERRORS`."""

    def name_fields(self, request: int) -> FieldNames | None:  # noqa: ARG002 # for subclasses
        """Return what the fields of the numbered request are called in the report.

        `None` if they are called the same there, or if there are several reports: then each is
        sent again alone.
        """
        return None


@dataclass(frozen=True, slots=True)
class Joint(Batch[ReportT]):
    """Reports that share a call."""

    call: JointCall

    @property
    def requests(self) -> Sequence[RawRequest]:
        """The call that they share."""
        return [self.call.request]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return the part of each report."""
        (response,) = responses
        return list(self.call.read(response))

    def name_fields(self, request: int) -> FieldNames | None:  # noqa: ARG002 # there is one
        """Return them for a single report."""
        return FieldNames(self.call.find_modules()) if len(self.reports) == 1 else None


@dataclass(frozen=True, slots=True)
class Divided(Batch[ReportT]):
    """One report that is divided among several calls."""

    modules: int
    pieces: Sequence[Piece]

    @property
    def requests(self) -> Sequence[RawRequest]:
        """One call for each piece."""
        return [piece.call.request for piece in self.pieces]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return the answers to the pieces as one."""
        return [join(self.pieces, responses, self.modules)]

    def name_fields(self, request: int) -> FieldNames | None:
        """Return those of a piece."""
        return self.pieces[request].name_fields()


@dataclass(frozen=True, slots=True)
class Refused(Batch[ReportT]):
    """One report that cannot be encoded."""

    error: SymbolonError

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:  # noqa: ARG002 # an override
        """Raise its error."""
        raise self.error


@dataclass(frozen=True, slots=True)
class Remembering(Batch[ReportT]):
    """Reports of which only the frames that are not remembered are requested."""

    partial: Sequence[PartialAnswer]
    memory: RunMemory
    unknown: UnknownFrames
    asking: Sequence[Batch[UnknownFrames]]
    """The batch that requests the unknown frames; empty if there are none."""

    @property
    def requests(self) -> Sequence[RawRequest]:
        """Those for the unknown frames."""
        return [request for batch in self.asking for request in batch.requests]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Remember the response, and return the complete answers."""
        found = NOTHING_FOUND
        for batch in self.asking:
            (answer,) = batch.read(responses)
            found = self.unknown.read(answer)
            self.memory.learn(found)
        return [partial.complete(found) for partial in self.partial]


def pair(batch: Batch[ReportT], responses: Sequence[RawResponse]) -> list[ReportResult[ReportT]]:
    """Return each report of a batch with its answer; raise one of `OWN_ERRORS`."""
    answers = batch.read(responses)
    return [
        ReportResult(report, encoded=answer)
        for report, answer in zip(batch.reports, answers, strict=True)
    ]


def name_fields(batch: Batch[Any], request: int, error: SymbolonError) -> SymbolonError:
    """Return the error of a request, with its fields named as in the report."""
    if not isinstance(error, InvalidRequestError) or not error.violations:
        return error
    names = batch.name_fields(request)
    if names is None:
        return error
    named = [replace(v, field=names.name(v.field)) for v in error.violations]
    text, first = str(error), error.violations[0].field
    if text.startswith(first):
        text = named[0].field + text.removeprefix(first)
    renamed = error.saying(text)
    renamed.violations = tuple(named)
    return renamed


def must_finish(started: Sequence[tuple[Batch[Any], Sized]]) -> bool:
    """Return whether to finish the first of the batches in flight before starting another.

    Each comes with its calls. A batch without calls is finished at once. Batches behind one that
    waits count too, even without calls: their reports take memory.
    """
    if not started:
        return False
    _, calls = started[0]
    under_way = max(len(started), sum(len(calls) for _, calls in started))
    return not calls or under_way > CALLS_IN_FLIGHT
