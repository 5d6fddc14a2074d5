"""Reports that are asked together: their requests, and what is made of the responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from symbolon._batching.divided_calls import Piece, join
from symbolon._batching.joint_calls import JointCall
from symbolon._batching.questions import NO_FINDINGS, Question, Recalled
from symbolon._batching.run_memory import RunMemory
from symbolon._calling.options import CALLS_IN_FLIGHT
from symbolon._messages.answers import EncodedAnswer, ReportResult
from symbolon._messages.encoding import AnyReport
from symbolon._messages.field_names import FieldNames
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
ReportT_co = TypeVar("ReportT_co", bound=AnyReport, covariant=True)

OWN_ERRORS = (
    DeadlineError,
    InvalidReportError,
    InvalidRequestError,
    MessageTooLargeError,
    ServerDefectError,
)
"""What one report may be to blame for; anything else all reports after it would meet too."""


class Batch(Protocol[ReportT_co]):
    """Some reports, and the requests that answer them."""

    @property
    def reports(self) -> Sequence[ReportT_co]:
        """The reports, in their order."""

    @property
    def requests(self) -> Sequence[RawRequest]:
        """What to ask; nothing where `read` knows that it is of no use."""

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return the answer to each report, or raise one of `OWN_ERRORS`."""

    def name_fields(self, request: int) -> FieldNames | None:
        """Return what the fields of the numbered request are called in the report.

        `None` where the report knows them by the same names, or where there are several reports:
        then each is asked again alone.
        """


@dataclass(frozen=True, slots=True)
class Joint(Generic[ReportT]):
    """Reports that share a call."""

    reports: Sequence[ReportT]
    call: JointCall

    @property
    def requests(self) -> Sequence[RawRequest]:
        """The call that they share."""
        return [self.call.request]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return each report's part."""
        (response,) = responses
        return list(self.call.read(response))

    def name_fields(self, request: int) -> FieldNames | None:  # noqa: ARG002 # there is one
        """Return them for one report."""
        return FieldNames(self.call.find_modules()) if len(self.reports) == 1 else None


@dataclass(frozen=True, slots=True)
class Divided(Generic[ReportT]):
    """A report that has several calls."""

    reports: Sequence[ReportT]
    modules: int
    pieces: Sequence[Piece]

    @property
    def requests(self) -> Sequence[RawRequest]:
        """One call for each piece."""
        return [piece.call.request for piece in self.pieces]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return the pieces' answers as one."""
        return [join(self.pieces, responses, self.modules)]

    def name_fields(self, request: int) -> FieldNames | None:
        """Return those of a piece."""
        return self.pieces[request].name_fields()


@dataclass(frozen=True, slots=True)
class Refused(Generic[ReportT]):
    """A report that no request can hold."""

    reports: Sequence[ReportT]
    error: SymbolonError
    requests: Sequence[RawRequest] = ()

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:  # noqa: ARG002
        """Raise what is wrong with it."""
        raise self.error

    def name_fields(self, request: int) -> FieldNames | None:  # noqa: ARG002 # there is none
        """Return none."""
        return None


@dataclass(frozen=True, slots=True)
class Remembering(Generic[ReportT]):
    """Reports of which only what is not remembered is asked."""

    reports: Sequence[ReportT]
    recalled: Sequence[Recalled]
    memory: RunMemory
    question: Question
    asking: Sequence[Batch[Question]]
    """One batch that asks the question, or none."""

    @property
    def requests(self) -> Sequence[RawRequest]:
        """Those of the question."""
        return [request for batch in self.asking for request in batch.requests]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        """Return what is remembered, filled up with what was asked, which is remembered then."""
        findings = NO_FINDINGS
        for batch in self.asking:
            (answer,) = batch.read(responses)
            findings = self.question.read(answer)
            self.memory.learn(findings)
        return [recalled.answer(findings) for recalled in self.recalled]

    def name_fields(self, request: int) -> FieldNames | None:  # noqa: ARG002 # of a question
        """Return none."""
        return None


def pair(batch: Batch[ReportT], responses: Sequence[RawResponse]) -> list[ReportResult[ReportT]]:
    """Return each report of a batch with its answer; raise one of `OWN_ERRORS`."""
    answers = batch.read(responses)
    return [
        ReportResult(report, encoded=answer)
        for report, answer in zip(batch.reports, answers, strict=True)
    ]


def name_fields(batch: Batch[Any], request: int, error: SymbolonError) -> SymbolonError:
    """Return an error that a request met, its fields called as they are in the report."""
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


def must_finish(started: Sequence[tuple[Batch[Any], Sequence[Any]]]) -> bool:
    """Return whether the first of the batches under way is to be finished before more are begun.

    Each is there with its calls. One without any is finished at once; one that waits holds up
    those behind it, whose reports take memory even if they have no calls.
    """
    if not started:
        return False
    _, calls = started[0]
    under_way = max(len(started), sum(len(calls) for _, calls in started))
    return not calls or under_way > CALLS_IN_FLIGHT
