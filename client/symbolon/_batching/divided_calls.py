"""A report that is too large for one call, divided among several."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from symbolon._batching.joint_calls import (
    NOT_REFERENCED,
    CallOptions,
    CallSize,
    FieldNames,
    JointCall,
    StackPlace,
)
from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import NO_MODULE, EncodedReport
from symbolon._messages.raw_messages import RawResponse
from symbolon.v1 import module_pb2


class _Slice(NamedTuple):
    """Some frames of one stack."""

    start: int
    """Position of the first in the columns of the report."""

    end: int
    stack: int
    """Number of the stack."""

    first: int
    """Position of the first in that stack."""

    @property
    def frames(self) -> int:
        return self.end - self.start

    @property
    def is_continued(self) -> bool:
        """Whether the previous slice has frames of the same stack."""
        return self.first > 0


class Piece(NamedTuple):
    """Part of a report, in a call of its own."""

    call: JointCall
    modules: Sequence[int]
    """Index in the report of each module of the call."""

    slices: Sequence[_Slice]
    """One for each stack of the call."""

    @property
    def is_continued(self) -> bool:
        """Whether the last stack of the previous piece continues here."""
        return bool(self.slices) and self.slices[0].is_continued

    def name_fields(self) -> FieldNames:
        """Return what the call's fields are called in the report."""
        places = self.call.find_modules().items()
        return FieldNames(
            {position: self.modules[place] for position, place in places},
            [StackPlace(part.stack, part.first) for part in self.slices],
        )


def divide(report: EncodedReport, options: CallOptions, size: CallSize) -> list[Piece]:
    """Return the report in pieces.

    Each has all modules, so that any piece reports an invalid one; or only those that its frames
    refer to, if all would be too many.
    """
    if len(report.modules) <= size.modules:
        every = range(len(report.modules))
        groups = _group(report.lengths, size.frames)
        return [_make_piece(group, report, every, options) for group in groups]
    # Frames refer to no more modules than there are frames: counting frames is enough.
    groups = _group(report.lengths, min(size.frames, size.modules))
    return [_make_piece(group, report, None, options) for group in groups]


def _slice(lengths: Iterable[int], most: int) -> Iterator[_Slice]:
    """Yield stacks of these lengths in slices of at most `most`, counting the stack as one."""
    end = 0
    for stack, length in enumerate(lengths):
        begin, end = end, end + length
        for start in range(begin, max(begin + 1, end), most - 1):
            yield _Slice(start, min(end, start + most - 1), stack, start - begin)


def _group(lengths: Iterable[int], most: int) -> Iterator[list[_Slice]]:
    """Yield the slices in groups of at most `most`; at least one group."""
    group: list[_Slice] = []
    room = most
    for part in _slice(lengths, most):
        if 1 + part.frames > room:
            yield group
            group, room = [], most
        group.append(part)
        room -= 1 + part.frames
    yield group


def _make_piece(
    group: Sequence[_Slice],
    report: EncodedReport,
    modules: Sequence[int] | None,
    options: CallOptions,
) -> Piece:
    """Return a group as a piece with these modules; `None`: those that its frames refer to."""
    frames = slice(group[0].start, group[-1].end) if group else slice(0)
    indexes = report.indexes[frames]
    named = set(indexes)
    if modules is None:
        modules = sorted(named - {NO_MODULE})
    renumbered = {old: new for new, old in enumerate(modules)} | {NO_MODULE: NO_MODULE}
    call = JointCall(options)
    call.add(
        EncodedReport(
            [report.modules[index] for index in modules],
            [part.frames for part in group],
            [renumbered[index] for index in indexes],
            report.offsets[frames],
            {renumbered[index] for index in named},
        )
    )
    return Piece(call, modules, group)


def join(pieces: Sequence[Piece], responses: Sequence[RawResponse], modules: int) -> EncodedAnswer:
    """Return the answer to the whole report, which has `modules` modules."""
    stacks: list[list[bytes]] = []
    results: list[module_pb2.ModuleResult] = [NOT_REFERENCED] * modules
    for piece, response in zip(pieces, responses, strict=True):
        (answer,) = piece.call.read(response)
        for index, result in zip(piece.modules, answer.modules, strict=True):
            if result.outcome != module_pb2.MODULE_OUTCOME_NOT_REFERENCED:
                results[index] = result
        own = [list(stack) for stack in answer.stacks]
        if piece.is_continued:
            stacks[-1] += own.pop(0)
        stacks += own
    return EncodedAnswer(stacks, results)
