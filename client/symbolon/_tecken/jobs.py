"""The crash reports of one request ("jobs"), and what of them the server would reject."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from symbolon._messages.encoding import EncodedReport
from symbolon._module_ids import MAX_DEBUG_FILE_BYTES
from symbolon.errors import InvalidReportError, InvalidRequestError, SymbolonError
from symbolon.reports import Module

V4: Final = 4
"""The version of Tecken's API in which a request is one job."""

V5: Final = 5

MOST_PROBLEMS = 10_000
"""In one document: a problem takes more memory than the two bytes that can cause it."""

_MODULE = re.compile(r"modules\[(\d+)\]\.debug_(file|id)")
_FRAME = re.compile(r"stacks\[(\d+)\]\.frames\[(\d+)\](\.module_index)?")

_ELIOTS_NAMES = {"file": "debug_filename", "id": "debug_id"}


@dataclass(frozen=True, slots=True)
class JobModule:
    """A module of a job, and what is written of it again and again."""

    module: Module
    """As given."""

    sent: Module
    """As sent: its debug file without a path, empty if the server would reject the module."""

    encoded: bytes
    """`sent` as an encoded `symbolon.v1.Module`."""

    key: bytes
    """For "found_modules", with its colon."""

    problem: str = ""
    """Why the server would reject it; empty if it would not."""

    @property
    def is_named(self) -> bool:
        """Whether it has a file and an id, if only of its code: others are not looked up."""
        sent = self.sent
        return bool((sent.debug_file or sent.code_file) and (sent.debug_id or sent.code_id))


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """The modules of a job, and columns of them that are needed again and again."""

    modules: Sequence[JobModule]
    encoded: Sequence[bytes]
    keys: Sequence[bytes]
    """For "found_modules", each with its separator in front."""

    is_ordinary: bool
    """Whether each module is named, and none is listed twice."""

    rejected: Mapping[int, str]
    """What frames call the rejected modules, by index: the debug file as given, cut to the longest
    that is accepted, since a frame of a few bytes repeats it."""

    @classmethod
    def make(cls, modules: Iterable[JobModule]) -> MemoryMap:
        """Return the map of these modules."""
        entries = tuple(modules)
        keys = [module.key for module in entries]
        return cls(
            entries,
            [module.encoded for module in entries],
            [*keys[:1], *(b", " + key for key in keys[1:])],
            is_ordinary=len(set(keys)) == len(keys) and all(module.is_named for module in entries),
            rejected={
                index: module.module.debug_file[:MAX_DEBUG_FILE_BYTES]
                for index, module in enumerate(entries)
                if module.problem
            },
        )


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """What is written of a frame that was not looked up as given."""

    module: str | None
    """Its module as given, cut if long; `None`: as the server names it."""

    offset: str
    """Its module offset as given."""

    def name_module(self, answered: str) -> str:
        """Return the module's name; `answered` is the server's name for it."""
        return answered if self.module is None else self.module


@dataclass(frozen=True, slots=True)
class JobFrames:
    """The frames as they are sent, in two columns, one stack after the other."""

    lengths: Sequence[int]
    """Number of frames of each stack."""

    indexes: Sequence[int]
    """Module index of each frame, -1 for none."""

    offsets: Sequence[int]
    """Module offset of each frame, 0 if the offset given is invalid."""

    named: AbstractSet[int]
    """The distinct indexes."""

    rejected: Mapping[int, RejectedFrame] = field(default_factory=dict)
    """Frames that were given differently, by their position in the columns: nothing is found for
    them."""

    returning: AbstractSet[int] = frozenset()
    """Positions of the offsets that are known to be return addresses."""

    def cut_rejected(self) -> Sequence[Mapping[int, RejectedFrame]]:
        """Return the rejected frames of each stack, by their position in it."""
        stacks: list[dict[int, RejectedFrame]] = [{} for _ in self.lengths]
        ends = list(accumulate(self.lengths))
        for place, frame in self.rejected.items():
            number = bisect_right(ends, place)
            stacks[number][place - ends[number] + self.lengths[number]] = frame
        return stacks

    def encode_offsets(self, are_return_addresses: bool) -> Sequence[int]:
        """Return the offsets as `EncodedReport` has them."""
        offsets = self.offsets
        if self.returning:
            returning = self.returning
            return [
                ~offset if place in returning and offset > 0 else offset
                for place, offset in enumerate(offsets)
            ]
        if not are_return_addresses:
            return offsets
        callers = [~offset if offset > 0 else offset for offset in offsets]
        for first in accumulate((0, *self.lengths[:-1])):
            callers[first : first + 1] = offsets[first : first + 1]
        return callers


@dataclass(frozen=True, slots=True)
class Job:
    """One crash report of a request."""

    memory_map: MemoryMap
    frames: JobFrames
    problems: Sequence[str] = ()
    """What of it is rejected, one line each."""

    are_return_addresses: bool = False
    """Whether the offset of every frame but the innermost is a return address."""

    titles: Sequence[str] = ()
    """What people call each stack; empty ones and those left out are called by their number."""

    @property
    def modules(self) -> Sequence[JobModule]:
        """The modules that the frames' indexes refer to."""
        return self.memory_map.modules

    def encode(self) -> EncodedReport:
        """Return the job as a report that the client sends."""
        frames = self.frames
        return EncodedReport(
            self.memory_map.encoded,
            frames.lengths,
            frames.indexes,
            frames.encode_offsets(self.are_return_addresses),
            frames.named,
        )


@dataclass(frozen=True, slots=True)
class TeckenRequest:
    """The content of one document."""

    version: int
    """`V4` or `V5`."""

    jobs: Sequence[Job]
    """One in `V4`."""


class Problems:
    """What is wrong with single items of a document; at most `most` of them."""

    def __init__(self, most: int = MOST_PROBLEMS) -> None:
        """With 0 the first problem raises, as in Eliot."""
        self._most = most
        self._count = 0
        self._of_job: list[str] = []

    @property
    def is_strict(self) -> bool:
        """Whether the first problem refuses the document."""
        return self._most == 0

    def add(self, words: str, reason: str = "") -> None:
        """Note a problem in Eliot's words; raise `InvalidReportError` if that is one too many."""
        self._count += 1
        if self._count > self._most:
            others = f", as {self._most:,} items before it" if self._most else ""
            raise InvalidReportError(words + others)
        self._of_job.append(f"{words}: {reason}" if reason else words)

    def take(self) -> tuple[str, ...]:
        """Return and clear the problems added since the last call."""
        taken = tuple(self._of_job)
        self._of_job.clear()
        return taken


def name_job(error: SymbolonError, job: int) -> SymbolonError:
    """Return the error of a job with its number in front, in the words of Eliot's own refusals."""
    violations = error.violations if isinstance(error, InvalidRequestError) else ()
    for violation in violations[:1]:
        if place := _name_place(violation.field):
            return error.saying(f"job {job} has invalid {place}: {violation.description}")
    return error.saying(f"job {job}: {error}")


def _name_place(field: str) -> str:
    """Return Eliot's name for a field of the API; empty for others."""
    if module := _MODULE.fullmatch(field):
        index, part = module.groups()
        return f"modules: module index {index} has an invalid {_ELIOTS_NAMES[part]}"
    if frame := _FRAME.fullmatch(field):
        stack, index, module_index = frame.groups()
        fault = " has a module_index that isn't in modules" if module_index else ""
        return f"stacks: stack {stack} frame {index}{fault}"
    return ""
