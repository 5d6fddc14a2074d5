"""Which reports go into which calls; no network here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration

from symbolon._batching.batches import OWN_ERRORS, Batch, Divided, Joint, Refused, Remembering
from symbolon._batching.divided_calls import divide
from symbolon._batching.joint_calls import CALL_SIZE, CallSize, JointCall
from symbolon._batching.questions import Question, Recalled
from symbolon._batching.run_memory import RunMemory
from symbolon._messages.encoding import AnyReport, EncodedReport, encode_wait
from symbolon.errors import InvalidReportError

ReportT = TypeVar("ReportT", bound=AnyReport)


class Packer(ABC, Generic[ReportT]):
    """Puts reports together, in their order, until a batch is full."""

    def __init__(self, max_wait: Duration | None, size: CallSize) -> None:
        self._max_wait = max_wait
        self._size = size
        self._begin()

    def add(self, report: ReportT) -> Sequence[Batch[ReportT]]:
        """Put a report in; return what is full now."""
        try:
            encoded = _encode(report)
        except OWN_ERRORS as error:
            return [*self.finish(), Refused([report], error)]
        return self._put(report, encoded)

    def finish(self) -> Sequence[Batch[ReportT]]:
        """Return what is not full and will not be any more."""
        if not self._reports:
            return ()
        batch = self._close()
        self._begin()
        return [batch]

    @abstractmethod
    def take_apart(self, batch: Batch[ReportT]) -> Sequence[Batch[ReportT]]:
        """Return smaller batches with the reports of one that failed.

        So one that is wrong spoils none of the others. Nothing if that is as small as can be.
        """

    def _begin(self) -> None:
        """Begin a batch."""
        self._reports: list[ReportT] = []

    @abstractmethod
    def _put(self, report: ReportT, encoded: EncodedReport) -> Sequence[Batch[ReportT]]:
        """Put a report in; return what is full now."""

    @abstractmethod
    def _close(self) -> Batch[ReportT]:
        """Return the batch of the reports that are in."""


class PlainPacker(Packer[ReportT]):
    """Asks for every frame of every report."""

    def __init__(
        self,
        max_wait: Duration | None = None,
        *,
        with_diagnostics: bool = False,
        size: CallSize = CALL_SIZE,
    ) -> None:
        """Reports with diagnostics are asked each in a call of its own, undivided."""
        super().__init__(max_wait, size)
        self._with_diagnostics = with_diagnostics

    def take_apart(self, batch: Batch[ReportT]) -> Sequence[Batch[ReportT]]:
        """Return a batch for each report."""
        return _ask_alone(batch.reports, self._alike) if len(batch.reports) > 1 else ()

    def _begin(self) -> None:
        super()._begin()
        self._call = JointCall(self._max_wait, size=self._size)

    def _put(self, report: ReportT, encoded: EncodedReport) -> Sequence[Batch[ReportT]]:
        if self._with_diagnostics:
            return [self._ask_whole(report, encoded)]
        if not self._size.has_room_for(encoded):
            pieces = divide(encoded, self._max_wait, self._size)
            return [*self.finish(), Divided([report], len(encoded.modules), pieces)]
        full = () if self._call.has_room_for(encoded) else self.finish()
        self._call.add(encoded)
        self._reports.append(report)
        return full

    def _close(self) -> Batch[ReportT]:
        return Joint(self._reports, self._call)

    def _alike(self) -> PlainPacker[ReportT]:
        return PlainPacker(self._max_wait, with_diagnostics=self._with_diagnostics, size=self._size)

    def _ask_whole(self, report: ReportT, encoded: EncodedReport) -> Batch[ReportT]:
        call = JointCall(self._max_wait, with_diagnostics=True)
        call.add(encoded)
        return Joint([report], call)


class RememberingPacker(Packer[ReportT]):
    """Asks only for what is not remembered."""

    def __init__(
        self, max_wait: Duration | None, memory: RunMemory, size: CallSize = CALL_SIZE
    ) -> None:
        super().__init__(max_wait, size)
        self._memory = memory

    def take_apart(self, batch: Batch[ReportT]) -> Sequence[Batch[ReportT]]:
        """Return a batch for each report; a single one is asked whole, as it was given.

        Then what is wrong with it is called by the place that it has in the report.
        """
        if not isinstance(batch, Remembering):
            return ()
        return _ask_alone(batch.reports, self._alike if len(batch.reports) > 1 else self._plain)

    def _begin(self) -> None:
        super()._begin()
        self._recalled: list[Recalled] = []
        self._question = Question()
        self._held = 0

    def _put(self, report: ReportT, encoded: EncodedReport) -> Sequence[Batch[ReportT]]:
        if len(encoded.modules) > self._size.modules:
            # Of so many, those that no frame names are not sent: nothing is learnt of them.
            return [*self.finish(), *_ask_alone([report], self._plain)]
        recalled = self._memory.recall(encoded)
        full = () if self._has_room_for(recalled) else self.finish()
        recalled.ask(self._question)
        self._recalled.append(recalled)
        self._reports.append(report)
        self._held += encoded.size
        if self._question.is_empty and self._held >= self._size.frames:
            return [*full, *self.finish()]
        return full

    def _close(self) -> Batch[ReportT]:
        question = self._question
        asking = () if question.is_empty else _ask_alone([question], self._plain)
        return Remembering(self._reports, self._recalled, self._memory, question, asking)

    def _has_room_for(self, recalled: Recalled) -> bool:
        question, unknown = self._question, len(recalled.unknown)
        return (
            question.frames + unknown < self._size.frames
            and question.modules + len(recalled.new_modules) + unknown <= self._size.modules
            and self._held + recalled.report.size <= self._size.held
        )

    def _alike(self) -> RememberingPacker[ReportT]:
        return RememberingPacker(self._max_wait, self._memory, self._size)

    def _plain(self) -> PlainPacker[Any]:
        return PlainPacker(self._max_wait, size=self._size)


def choose_packer(
    max_wait: float | None, *, with_diagnostics: bool = False, remember_seconds: float = 0
) -> Packer[Any]:
    """Return a packer; raise `InvalidRequestError` for a wait that is none."""
    wait = None if max_wait is None else encode_wait(max_wait)
    if with_diagnostics or remember_seconds <= 0:
        return PlainPacker(wait, with_diagnostics=with_diagnostics)
    return RememberingPacker(wait, RunMemory(remember_seconds))


def pack(reports: Iterable[ReportT], packer: Packer[ReportT]) -> Iterator[Batch[ReportT]]:
    """Yield the batches of all reports, each as soon as it is full."""
    for report in reports:
        yield from packer.add(report)
    yield from packer.finish()


def _encode(report: AnyReport) -> EncodedReport:
    """Return a report for the wire; refuse what has the form of none."""
    encode: Any = getattr(report, "encode", None)
    encoded = encode() if callable(encode) else None
    if not isinstance(encoded, EncodedReport):  # a text has an `encode`, too
        raise InvalidReportError(f"{report!r} is not a report")
    return encoded


def _ask_alone(
    reports: Sequence[ReportT], make_packer: Callable[[], Packer[ReportT]]
) -> list[Batch[ReportT]]:
    """Return a batch for each report."""
    return [batch for report in reports for batch in pack([report], make_packer())]
