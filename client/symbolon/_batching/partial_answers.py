"""Reports whose answers are known in part, and the one request for all that is still unknown.

report A   frames 1, 2, 3 of module m: 1 and 2 are known
report B   frames 3, 4 of module m: none is known
request    frames 3, 4 of module m
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import NO_MODULE, EncodedReport
from symbolon.v1 import module_pb2

_NO_OFFSETS: Mapping[int, None] = {}

ModuleKey = bytes | None
"""An encoded `symbolon.v1.Module`; `None` stands for the frames in no module."""


class FoundFrames(NamedTuple):
    """The answer to the request for unknown frames."""

    frames: Mapping[ModuleKey, Mapping[int, bytes]]
    """Encoded frames by module and offset."""

    results: Mapping[bytes, module_pb2.ModuleResult]


NOTHING_FOUND = FoundFrames({}, {})


class UnknownFrames:
    """The frames to request, each once, and modules that no call has had yet; a report itself."""

    def __init__(self) -> None:
        self._offsets: dict[ModuleKey, dict[int, None]] = {}
        self.frames = 0
        """Number of the frames."""

    @property
    def modules(self) -> int:
        """Number of the modules; frames in no module count as one."""
        return len(self._offsets)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to request."""
        return not self._offsets

    def add_modules(self, modules: Sequence[bytes]) -> None:
        """Send these modules too, so that the server checks them."""
        for module in modules:
            self._offsets.setdefault(module, {})

    def add_frame(self, module: ModuleKey, offset: int) -> None:
        """Request a frame."""
        offsets = self._offsets.setdefault(module, {})
        self.frames += offset not in offsets
        offsets[offset] = None

    def encode(self) -> EncodedReport:
        """Return the request as a report of one stack."""
        indexes: list[int] = []
        offsets: list[int] = []
        names = self._list_modules()
        for index, module in (*enumerate(names), (NO_MODULE, None)):
            own = self._offsets.get(module, _NO_OFFSETS)
            indexes += [index] * len(own)
            offsets += own
        return EncodedReport(names, [len(offsets)], indexes, offsets, set(indexes))

    def read(self, answer: EncodedAnswer) -> FoundFrames:
        """Return the answer to that report."""
        (frames,) = map(iter, answer.stacks)
        names = self._list_modules()
        return FoundFrames(
            {
                module: dict(zip(self._offsets.get(module, _NO_OFFSETS), frames, strict=False))
                for module in (*names, None)
            },
            dict(zip(names, answer.modules, strict=True)),
        )

    def _list_modules(self) -> list[bytes]:
        return [module for module in self._offsets if module is not None]


class PartialAnswer(NamedTuple):
    """A report, and what is known of its answer before it is sent."""

    report: EncodedReport
    frames: list[bytes | None]
    """The encoded frames; `None` for those to request."""

    results: list[module_pb2.ModuleResult]
    """One for each module; set only for modules without unknown frames."""

    new_modules: Sequence[bytes]
    """Modules that no call has had yet: the server may reject the report for one of them."""

    unknown: Sequence[int]
    """Positions of the frames to request."""

    def request(self, unknown: UnknownFrames) -> None:
        """Add to the request what is not known."""
        unknown.add_modules(self.new_modules)
        for _, module, offset in self._find_unknown():
            unknown.add_frame(module, offset)

    def complete(self, found: FoundFrames) -> EncodedAnswer:
        """Return the whole answer."""
        for place, module, offset in self._find_unknown():
            self.frames[place] = found.frames[module][offset]
            if module is not None:
                self.results[self.report.indexes[place]] = found.results[module]
        frames: Iterator[bytes] = iter(self.frames)  # type: ignore[arg-type]  # all are known now
        stacks = [list(islice(frames, length)) for length in self.report.lengths]
        return EncodedAnswer(stacks, self.results)

    def _find_unknown(self) -> Iterator[tuple[int, ModuleKey, int]]:
        """Yield the position, module and offset of each unknown frame."""
        report = self.report
        for place in self.unknown:
            index = report.indexes[place]
            module = None if index == NO_MODULE else report.modules[index]
            yield place, module, report.offsets[place]
