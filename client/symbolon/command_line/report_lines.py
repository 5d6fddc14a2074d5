"""The reports of a document or a line, and what becomes of them together."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from symbolon.answers import EncodedAnswer, ReportResult
from symbolon.command_line.inputs import parse_json
from symbolon.encoding import EncodedReport
from symbolon.errors import InvalidReportError, SymbolonError
from symbolon.tecken import Job, TeckenRequest, parse_request

_VERSIONS = {"v5": 5, "v4": 4}

_NOTHING = EncodedReport((), (), (), (), frozenset())


@dataclass(frozen=True, slots=True)
class LineReport:
    """One job of a document; a document without one, or that cannot be read, has one as well."""

    number: int
    """Of the document, from 1."""

    request: TeckenRequest | None
    job: Job | None
    error: SymbolonError | None
    is_last: bool

    def encode(self) -> EncodedReport:
        """Return the job for the wire; raise the document's error."""
        if self.error is not None:
            raise self.error
        return _NOTHING if self.job is None else self.job.encode()


@dataclass(slots=True)
class Answered:
    """What became of one document."""

    number: int
    request: TeckenRequest | None
    """`None` when it could not be read."""

    answers: list[EncodedAnswer] = field(default_factory=list)
    """One for each job."""

    results: list[ReportResult[LineReport]] = field(default_factory=list)
    error: SymbolonError | None = None
    """The first of its jobs' errors."""

    def raise_error(self) -> None:
        """Raise the error if there is one."""
        if self.error is not None:
            raise self.error


def read_reports(
    parts: Iterable[bytes], options: argparse.Namespace, *, first: int = 1, name: str = ""
) -> Iterator[LineReport]:
    """Yield the reports of each part; without a name they are called by their number."""
    for number, part in enumerate(parts, first):
        yield from _read_part(part, number, name or f"line {number}", options)


def _read_part(
    part: bytes, number: int, name: str, options: argparse.Namespace
) -> Iterator[LineReport]:
    try:
        request = parse_request(
            parse_json(part, name),
            version=_VERSIONS.get(options.format),
            are_return_addresses=options.return_addresses,
        )
    except InvalidReportError as error:
        yield LineReport(number, None, None, error, is_last=True)
        return
    jobs = request.jobs or (None,)
    for position, job in enumerate(jobs, 1):
        yield LineReport(number, request, job, None, is_last=position == len(jobs))


def collect(results: Iterable[ReportResult[LineReport]]) -> Iterator[Answered]:
    """Yield each document when all of its reports have a result."""
    answered: Answered | None = None
    for result in results:
        report = result.report
        if answered is None:
            answered = Answered(report.number, report.request)
        answered.error = answered.error or result.error
        if result.encoded is not None and report.job is not None:
            answered.answers.append(result.encoded)
            answered.results.append(result)
        if report.is_last:
            yield answered
            answered = None
