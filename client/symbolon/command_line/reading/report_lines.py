"""The reports of a document or a line, and their results together."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from symbolon._forms.documents import load_document
from symbolon._forms.inputs import Part
from symbolon._messages.answers import EncodedAnswer, ReportResult
from symbolon._messages.encoding import EncodedReport
from symbolon._tecken.jobs import Job, TeckenRequest, name_job
from symbolon.errors import InvalidReportError, SymbolonError

_VERSIONS = {"v5": 5, "v4": 4}

_NOTHING = EncodedReport((), (), (), (), frozenset())


@dataclass(frozen=True, slots=True)
class LineReport:
    """One job of a document; a document without jobs, or a malformed one, counts as one too."""

    number: int
    """Number of the document, from 1."""

    request: TeckenRequest | None
    job: Job | None
    error: SymbolonError | None
    is_last: bool
    index: int = 0
    """Position of the job in its document."""

    line: str = ""
    """Name of the document if it is one of several, else empty."""

    def name(self, error: SymbolonError) -> SymbolonError:
        """Return an error of the job, with the job and its line in front."""
        named = error if self.job is None else name_job(error, self.index)
        return named.saying(f"{self.line}: {named}") if self.line else named

    def encode(self) -> EncodedReport:
        """Return the encoded job; raise the document's error."""
        if self.error is not None:
            raise self.error
        return _NOTHING if self.job is None else self.job.encode()


@dataclass(slots=True)
class Answered:
    """One document with its answers."""

    number: int
    request: TeckenRequest | None
    """`None` if it was malformed."""

    answers: list[EncodedAnswer] = field(default_factory=list)
    """One for each job."""

    error: SymbolonError | None = None
    """The first of its jobs' errors."""


def read_reports(
    parts: Iterable[tuple[int, Part]], options: argparse.Namespace, *, name: str = ""
) -> Iterator[LineReport]:
    """Yield the reports of each numbered part; without `name` errors name their line."""
    for number, (line, part) in parts:
        yield from _read_part(part, number, name, "" if name else f"line {line}", options)


def _read_part(
    part: bytes, number: int, name: str, line: str, options: argparse.Namespace
) -> Iterator[LineReport]:
    try:
        request = load_document(part, name or line, line).make_request(
            version=_VERSIONS.get(options.format),
            are_return_addresses=options.return_addresses,
            is_strict=options.strict,
        )
    except InvalidReportError as error:
        yield LineReport(number, None, None, error, is_last=True)
        return
    jobs = request.jobs or (None,)
    last = len(jobs) - 1
    for index, job in enumerate(jobs):
        yield LineReport(number, request, job, None, index == last, index, line)


def collect(results: Iterable[ReportResult[LineReport]]) -> Iterator[Answered]:
    """Yield each document once all of its reports have a result."""
    answered: Answered | None = None
    for result in results:
        report = result.report
        if answered is None:
            answered = Answered(report.number, report.request)
        if result.error is not None and answered.error is None:
            answered.error = report.name(result.error)
        if result.encoded is not None and report.job is not None:
            answered.answers.append(result.encoded)
        if report.is_last:
            yield answered
            answered = None
