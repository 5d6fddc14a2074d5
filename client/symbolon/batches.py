"""Which reports go into which calls; no network here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from symbolon.answers import EncodedAnswer, ReportResult
from symbolon.divided_calls import Piece, divide, join
from symbolon.encoding import AnyReport, EncodedReport, encode_wait
from symbolon.errors import (
    DeadlineError,
    InvalidReportError,
    InvalidRequestError,
    MessageTooLargeError,
    ServerDefectError,
    SymbolonError,
)
from symbolon.joint_calls import CALL_SIZE, CallSize, JointCall
from symbolon.raw_messages import RawRequest, RawResponse

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


@dataclass(frozen=True, slots=True)
class _Joint(Generic[ReportT]):
    """Reports that share a call."""

    reports: Sequence[ReportT]
    call: JointCall

    @property
    def requests(self) -> Sequence[RawRequest]:
        return [self.call.request]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        (response,) = responses
        return list(self.call.read(response))


@dataclass(frozen=True, slots=True)
class _Divided(Generic[ReportT]):
    """A report that has several calls."""

    reports: Sequence[ReportT]
    modules: int
    pieces: Sequence[Piece]

    @property
    def requests(self) -> Sequence[RawRequest]:
        return [piece.call.request for piece in self.pieces]

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:
        return [join(self.pieces, responses, self.modules)]


@dataclass(frozen=True, slots=True)
class _Refused(Generic[ReportT]):
    """A report that no request can hold."""

    reports: Sequence[ReportT]
    error: SymbolonError
    requests: Sequence[RawRequest] = ()

    def read(self, responses: Sequence[RawResponse]) -> Iterable[EncodedAnswer]:  # noqa: ARG002
        raise self.error


class Packer(Generic[ReportT]):
    """Puts reports together, in their order, until a call is full."""

    def __init__(
        self,
        max_wait: float | None,
        with_diagnostics: bool = False,
        size: CallSize = CALL_SIZE,
    ) -> None:
        """Raise `InvalidRequestError` for a wait that is none.

        Reports with diagnostics are asked each in a call of its own, undivided.
        """
        self._with_diagnostics = with_diagnostics
        self._size = size
        self._max_wait = None if max_wait is None else encode_wait(max_wait)
        self._reports: list[ReportT] = []
        self._call = JointCall(self._max_wait, size=size)

    def add(self, report: ReportT) -> Sequence[Batch[ReportT]]:
        """Put a report in; return what is full now."""
        try:
            encoded = report.encode()
        except OWN_ERRORS as error:
            return [*self.finish(), _Refused([report], error)]
        if self._with_diagnostics:
            return [self._ask_whole(report, encoded)]
        if not self._size.has_room_for(encoded):
            pieces = divide(encoded, self._max_wait, self._size)
            return [*self.finish(), _Divided([report], len(encoded.modules), pieces)]
        full = () if self._call.has_room_for(encoded) else self.finish()
        self._call.add(encoded)
        self._reports.append(report)
        return full

    def finish(self) -> Sequence[Batch[ReportT]]:
        """Return what is not full and will not be any more."""
        if not self._reports:
            return ()
        batch = _Joint(self._reports, self._call)
        self._reports, self._call = [], JointCall(self._max_wait, size=self._size)
        return [batch]

    def _ask_whole(self, report: ReportT, encoded: EncodedReport) -> Batch[ReportT]:
        call = JointCall(self._max_wait, with_diagnostics=True)
        call.add(encoded)
        return _Joint([report], call)


def pack(
    reports: Iterable[ReportT], max_wait: float | None, with_diagnostics: bool = False
) -> Iterator[Batch[ReportT]]:
    """Yield the batches of all reports, each as soon as it is full."""
    packer = Packer[ReportT](max_wait, with_diagnostics)
    for report in reports:
        yield from packer.add(report)
    yield from packer.finish()


def pair(batch: Batch[ReportT], responses: Sequence[RawResponse]) -> list[ReportResult[ReportT]]:
    """Return each report of a batch with its answer; raise one of `OWN_ERRORS`."""
    answers = batch.read(responses)
    return [
        ReportResult(report, encoded=answer)
        for report, answer in zip(batch.reports, answers, strict=True)
    ]


def take_apart(batch: Batch[ReportT], max_wait: float | None) -> Iterator[Batch[ReportT]]:
    """Yield a batch for each report, so that one that is wrong spoils none of the others."""
    for report in batch.reports:
        yield from pack([report], max_wait)
