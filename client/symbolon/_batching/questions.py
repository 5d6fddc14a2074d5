"""What is still to be asked of several reports, each frame once, and how its answer fills them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import NO_MODULE, EncodedReport
from symbolon.v1 import module_pb2

_NOTHING: Mapping[int, None] = {}

ModuleKey = bytes | None
"""An encoded `symbolon.v1.Module`; `None` is the module of frames in no module."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The answer to a question."""

    frames: Mapping[ModuleKey, Mapping[int, bytes]]
    """Encoded frames by module and offset."""

    results: Mapping[bytes, module_pb2.ModuleResult]


NO_FINDINGS = Findings({}, {})


class Question:
    """Frames to be asked, and modules that a server has not taken yet."""

    def __init__(self) -> None:
        self._offsets: dict[ModuleKey, dict[int, None]] = {}
        self.frames = 0
        """Number of the frames."""

    @property
    def modules(self) -> int:
        """Number of the modules, with that of frames in no module."""
        return len(self._offsets)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask."""
        return not self._offsets

    def add_modules(self, modules: Sequence[bytes]) -> None:
        """Ask whether modules are such as a server takes."""
        for module in modules:
            self._offsets.setdefault(module, {})

    def add_frame(self, module: ModuleKey, offset: int) -> None:
        """Ask for a frame."""
        offsets = self._offsets.setdefault(module, {})
        self.frames += offset not in offsets
        offsets[offset] = None

    def encode(self) -> EncodedReport:
        """Return the question as a report of one stack."""
        indexes: list[int] = []
        offsets: list[int] = []
        names = self._list_modules()
        for index, module in (*enumerate(names), (NO_MODULE, None)):
            own = self._offsets.get(module, _NOTHING)
            indexes += [index] * len(own)
            offsets += own
        return EncodedReport(names, [len(offsets)], indexes, offsets, set(indexes))

    def read(self, answer: EncodedAnswer) -> Findings:
        """Return what the report was answered."""
        (frames,) = map(iter, answer.stacks)
        names = self._list_modules()
        return Findings(
            {
                module: dict(zip(self._offsets.get(module, _NOTHING), frames, strict=False))
                for module in (*names, None)
            },
            dict(zip(names, answer.modules, strict=True)),
        )

    def _list_modules(self) -> list[bytes]:
        return [module for module in self._offsets if module is not None]


@dataclass(frozen=True, slots=True)
class Recalled:
    """A report, and what is known of it before it is asked."""

    report: EncodedReport
    frames: list[bytes | None]
    """Each encoded; `None` is to be asked."""

    results: list[module_pb2.ModuleResult]
    """One for each module; those of which frames are unknown have none yet."""

    new_modules: Sequence[bytes]
    """Those that no server has taken yet: it may refuse the report for one of them."""

    unknown: Sequence[int]
    """Places of the frames that are to be asked."""

    def ask(self, question: Question) -> None:
        """Put into a question what is not known."""
        question.add_modules(self.new_modules)
        for _, module, offset in self._find_unknown():
            question.add_frame(module, offset)

    def answer(self, findings: Findings) -> EncodedAnswer:
        """Return the answer to the report, filled up with what was found."""
        for place, module, offset in self._find_unknown():
            self.frames[place] = findings.frames[module][offset]
            if module is not None:
                self.results[self.report.indexes[place]] = findings.results[module]
        frames: Iterator[bytes] = iter(self.frames)  # type: ignore[arg-type]  # none is None now
        stacks = [list(islice(frames, length)) for length in self.report.lengths]
        return EncodedAnswer(stacks, self.results)

    def _find_unknown(self) -> Iterator[tuple[int, ModuleKey, int]]:
        """Yield for each unknown frame its place, its module and its offset."""
        report = self.report
        for place in self.unknown:
            index = report.indexes[place]
            module = None if index == NO_MODULE else report.modules[index]
            yield place, module, report.offsets[place]
