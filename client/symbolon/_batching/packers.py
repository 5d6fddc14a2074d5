"""Packs reports into batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from symbolon._batching.batches import OWN_ERRORS, Batch, Divided, Joint, Refused, Remembering
from symbolon._batching.divided_calls import divide
from symbolon._batching.joint_calls import (
    CALL_SIZE,
    NO_OPTIONS,
    CallOptions,
    CallSize,
    JointCall,
)
from symbolon._batching.partial_answers import PartialAnswer, UnknownFrames
from symbolon._batching.run_memory import RunMemory
from symbolon._messages.encoding import AnyReport, EncodedReport, encode_wait
from symbolon.errors import InvalidReportError

ReportT = TypeVar("ReportT", bound=AnyReport)


class Packer(ABC, Generic[ReportT]):
    """Collects reports, in their order, until a batch is full."""

    def __init__(self, options: CallOptions, size: CallSize) -> None:
        self._options = options
        self._size = size
        self._begin()

    def add(self, report: ReportT) -> Sequence[Batch[ReportT]]:
        """Add a report; return the batches that are full now."""
        try:
            encoded = _encode(report)
        except OWN_ERRORS as error:
            return [*self.finish(), Refused([report], error)]
        return self._put(report, encoded)

    def finish(self) -> Sequence[Batch[ReportT]]:
        """Return the last batch, full or not."""
        if not self._reports:
            return ()
        batch = self._close()
        self._begin()
        return [batch]

    @abstractmethod
    def take_apart(self, batch: Batch[ReportT]) -> Sequence[Batch[ReportT]]:
        """Return smaller batches of the reports of one that failed: a bad report then fails alone.

        Empty if the batch cannot be smaller.
        """

    def _begin(self) -> None:
        """Start a new batch."""
        self._reports: list[ReportT] = []

    @abstractmethod
    def _put(self, report: ReportT, encoded: EncodedReport) -> Sequence[Batch[ReportT]]:
        """Add a report; return the batches that are full now."""

    @abstractmethod
    def _close(self) -> Batch[ReportT]:
        """Return the batch of the reports added so far."""


class PlainPacker(Packer[ReportT]):
    """Requests every frame of every report."""

    def __init__(
        self,
        options: CallOptions = NO_OPTIONS,
        *,
        with_diagnostics: bool = False,
        size: CallSize = CALL_SIZE,
    ) -> None:
        """Reports with diagnostics are sent each in one call of its own."""
        super().__init__(options, size)
        self._with_diagnostics = with_diagnostics

    def take_apart(self, batch: Batch[ReportT]) -> Sequence[Batch[ReportT]]:
        """Return a batch for each report."""
        return _ask_alone(batch.reports, self._alike) if len(batch.reports) > 1 else ()

    def _begin(self) -> None:
        super()._begin()
        self._call = JointCall(self._options, size=self._size)

    def _put(self, report: ReportT, encoded: EncodedReport) -> Sequence[Batch[ReportT]]:
        if self._with_diagnostics:
            return [self._ask_whole(report, encoded)]
        if not self._size.has_room_for(encoded):
            pieces = divide(encoded, self._options, self._size)
            return [*self.finish(), Divided([report], len(encoded.modules), pieces)]
        full = () if self._call.has_room_for(encoded) else self.finish()
        self._call.add(encoded)
        self._reports.append(report)
        return full

    def _close(self) -> Batch[ReportT]:
        return Joint(self._reports, self._call)

    def _alike(self) -> PlainPacker[ReportT]:
        return PlainPacker(self._options, with_diagnostics=self._with_diagnostics, size=self._size)

    def _ask_whole(self, report: ReportT, encoded: EncodedReport) -> Batch[ReportT]:
        call = JointCall(self._options, with_diagnostics=True)
        call.add(encoded)
        return Joint([report], call)


class RememberingPacker(Packer[ReportT]):
    """Requests only the frames that are not remembered."""

    def __init__(self, options: CallOptions, memory: RunMemory, size: CallSize = CALL_SIZE) -> None:
        super().__init__(options, size)
        self._memory = memory

    def take_apart(self, batch: Batch[ReportT]) -> Sequence[Batch[ReportT]]:
        """Return a batch for each report; a single report is sent whole, as given.

        Then errors name its fields as they are in the report.
        """
        if not isinstance(batch, Remembering):
            return ()
        return _ask_alone(batch.reports, self._alike if len(batch.reports) > 1 else self._plain)

    def _begin(self) -> None:
        super()._begin()
        self._partial: list[PartialAnswer] = []
        self._unknown = UnknownFrames()
        self._held = 0

    def _put(self, report: ReportT, encoded: EncodedReport) -> Sequence[Batch[ReportT]]:
        if len(encoded.modules) > self._size.modules:
            # Modules that no frame refers to are not sent then: nothing can be learnt of them.
            return [*self.finish(), *_ask_alone([report], self._plain)]
        partial = self._memory.recall(encoded)
        full = () if self._has_room_for(partial) else self.finish()
        partial.request(self._unknown)
        self._partial.append(partial)
        self._reports.append(report)
        self._held += encoded.size
        if self._unknown.is_empty and self._held >= self._size.frames:
            return [*full, *self.finish()]
        return full

    def _close(self) -> Batch[ReportT]:
        unknown = self._unknown
        asking = () if unknown.is_empty else _ask_alone([unknown], self._plain)
        return Remembering(self._reports, self._partial, self._memory, unknown, asking)

    def _has_room_for(self, partial: PartialAnswer) -> bool:
        more = len(partial.unknown)
        return (
            self._unknown.frames + more < self._size.frames
            and self._unknown.modules + len(partial.new_modules) + more <= self._size.modules
            and self._held + partial.report.size <= self._size.held
        )

    def _alike(self) -> RememberingPacker[ReportT]:
        return RememberingPacker(self._options, self._memory, self._size)

    def _plain(self) -> PlainPacker[Any]:
        return PlainPacker(self._options, size=self._size)


def choose_packer(
    max_wait: float | None,
    *,
    with_diagnostics: bool = False,
    with_linkage_names: bool = False,
    remember_seconds: float = 0,
) -> Packer[Any]:
    """Return a packer; raise `InvalidRequestError` if `max_wait` is invalid."""
    wait = None if max_wait is None else encode_wait(max_wait)
    options = CallOptions(wait, with_linkage_names)
    if with_diagnostics or remember_seconds <= 0:
        return PlainPacker(options, with_diagnostics=with_diagnostics)
    return RememberingPacker(options, RunMemory(remember_seconds))


def pack(reports: Iterable[ReportT], packer: Packer[ReportT]) -> Iterator[Batch[ReportT]]:
    """Yield the batches of all reports, each as soon as it is full."""
    for report in reports:
        yield from packer.add(report)
    yield from packer.finish()


def _encode(report: AnyReport) -> EncodedReport:
    """Return the encoded report; raise `InvalidReportError` if it is not a report."""
    encode: Any = getattr(report, "encode", None)
    encoded = encode() if callable(encode) else None
    if not isinstance(encoded, EncodedReport):  # a string has an `encode` too
        raise InvalidReportError(f"{report!r} is not a report")
    return encoded


def _ask_alone(
    reports: Sequence[ReportT], make_packer: Callable[[], Packer[ReportT]]
) -> list[Batch[ReportT]]:
    """Return a batch for each report."""
    return [batch for report in reports for batch in pack([report], make_packer())]
