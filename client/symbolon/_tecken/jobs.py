"""The crash reports of a request in Tecken's and Eliot's JSON, as `tecken` reads them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import accumulate

from symbolon._messages.encoding import EncodedReport
from symbolon.reports import Module
from symbolon._tecken.unasked import MAX_DEBUG_FILE_BYTES, UnaskedFrame


@dataclass(frozen=True, slots=True)
class JobModule:
    """A module as given, with what is written of it again and again."""

    module: Module
    """As it was given."""

    asked: Module
    """Its debug file without a path; empty where it cannot be asked."""

    encoded: bytes
    """What is asked, for the API."""

    key: bytes
    """For "found_modules", with its colon."""

    problem: str = ""
    """Why it cannot be asked; empty where it can."""

    @property
    def is_named(self) -> bool:
        """Whether it has a debug file and a debug id: others are not looked up."""
        return bool(self.asked.debug_file and self.asked.debug_id)


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """The modules of a job, and columns of them that are needed again and again."""

    modules: Sequence[JobModule]
    encoded: Sequence[bytes]
    keys: Sequence[bytes]
    """For "found_modules", each with what goes before it."""

    is_ordinary: bool
    """Whether each module is named, and none is there twice."""

    unasked: Mapping[int, str]
    """What frames call the modules that cannot be asked, by index: the debug file as it was given,
    no longer than one that can be, since a frame of a few bytes repeats it."""

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
            unasked={
                index: module.module.debug_file[:MAX_DEBUG_FILE_BYTES]
                for index, module in enumerate(entries)
                if module.problem
            },
        )


@dataclass(frozen=True, slots=True)
class JobFrames:
    """The frames as they are asked, in two columns, one stack after the other."""

    lengths: Sequence[int]
    """For each stack the number of its frames."""

    indexes: Sequence[int]
    """For each frame its module index, -1 for none."""

    offsets: Sequence[int]
    """For each frame its module offset, 0 where that cannot be asked."""

    named: AbstractSet[int]
    """The indexes, each once."""

    unasked: Mapping[int, UnaskedFrame] = field(default_factory=dict)
    """Those that were given otherwise, by their place in the columns: nothing is found there."""

    def cut_unasked(self) -> Sequence[Mapping[int, UnaskedFrame]]:
        """Return for each stack those that were given otherwise, by their place in it."""
        stacks: list[dict[int, UnaskedFrame]] = [{} for _ in self.lengths]
        ends = list(accumulate(self.lengths))
        for place, frame in self.unasked.items():
            number = bisect_right(ends, place)
            stacks[number][place - ends[number] + self.lengths[number]] = frame
        return stacks

    def encode_offsets(self, are_return_addresses: bool) -> Sequence[int]:
        """Return the offsets as the API takes them."""
        offsets = self.offsets
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
    """What of it cannot be asked, each in a line."""

    are_return_addresses: bool = False
    """Whether the offset of every frame but the innermost is where a call returns to."""

    @property
    def modules(self) -> Sequence[JobModule]:
        """The modules that the frames' indexes mean."""
        return self.memory_map.modules

    def encode(self) -> EncodedReport:
        """Return the job as a report for the API."""
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
    """What is asked in one document."""

    version: int
    """4 or 5."""

    jobs: Sequence[Job]
    """In version 4 there is one."""
