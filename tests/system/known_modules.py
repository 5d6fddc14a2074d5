"""Modules whose every answer is known, and what is right and wrong in an answer about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from symbolon import Frame, FrameOutcome, Module, Symbolication
from symbolon.results import SymbolicatedFrame
from symbolon_server.symbols.ground.module_ids import ModuleId

SPACING: Final = 32
"""Bytes from the start of one function to the next; each covers the first half of them."""

SAYS_WHY: Final = frozenset({FrameOutcome.MODULE_PENDING, FrameOutcome.MODULE_UNAVAILABLE})
"""What a frame may say instead of an answer while something is broken."""


@dataclass(frozen=True, slots=True)
class KnownModule:
    """A module of the test's own making: its names tell the module, the edition and the place."""

    number: int
    functions: int = 2_000

    @property
    def module_id(self) -> ModuleId:
        return ModuleId.parse(f"known{self.number}.so", f"{self.number:032X}A")

    def symbol_file(self, edition: int = 0) -> bytes:
        """Return the text of the symbol file; another `edition` has other names."""
        module_id = self.module_id
        lines = [f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}"]
        lines += [f"FILE 0 known{self.number}.c"]
        for place in range(self.functions):
            name = f"known{self.number}_{edition}_{place}"
            lines.append(f"FUNC {place * SPACING:x} {SPACING // 2:x} 0 {name}")
            lines.append(f"{place * SPACING:x} {SPACING // 2:x} {place + 1} 0")
        return "\n".join([*lines, ""]).encode()

    def is_right(self, offset: int, frame: SymbolicatedFrame) -> bool:
        """Tell whether a frame that claims to know is right, whatever its edition."""
        place, rest = divmod(offset, SPACING)
        is_covered = rest < SPACING // 2 and place < self.functions
        if not is_covered:
            return frame.outcome is FrameOutcome.NO_SYMBOL and frame.function is None
        name, edition, end = (frame.function or "__").rsplit("_", 2)
        return (
            frame.outcome is FrameOutcome.SYMBOLICATED
            and (name, end) == (f"known{self.number}", str(place))
            and edition.isdigit()
            and (frame.file, frame.line) == (f"known{self.number}.c", place + 1)
        )


@dataclass(frozen=True, slots=True)
class Question:
    """One call: some offsets of some known modules, a stack for each."""

    modules: Sequence[KnownModule]
    offsets: Sequence[Sequence[int]]

    @classmethod
    def choose(cls, random: Random, modules: Sequence[KnownModule], most_frames: int) -> "Question":
        """Return a question about some of `modules`, gaps and ends included."""
        chosen = random.sample(modules, random.randint(1, len(modules)))
        offsets = [
            [random.randrange((module.functions + 2) * SPACING) for _ in range(most_frames)]
            for module in chosen
        ]
        return cls(chosen, offsets)

    def request(self) -> tuple[list[Module], list[list[Frame]]]:
        """Return what a client is to ask."""
        ids = [module.module_id for module in self.modules]
        modules = [Module(module_id.debug_file, module_id.debug_id) for module_id in ids]
        frames = [[Frame(index, at) for at in asked] for index, asked in enumerate(self.offsets)]
        return modules, frames

    def wrong_in(self, answer: Symbolication) -> list[str]:
        """Return what an answer has that is neither right nor says why it is not there."""
        stacks = zip(self.modules, self.offsets, answer.stacks, strict=True)
        return [
            f"{module.module_id} at {offset:#x}: {frame}"
            for module, offsets, stack in stacks
            for offset, frame in zip(offsets, stack, strict=True)
            if frame.outcome not in SAYS_WHY and not module.is_right(offset, frame)
        ]


def unanswered_in(answer: Symbolication) -> int:
    """Return how many frames only say why they have no answer."""
    return sum(frame.outcome in SAYS_WHY for stack in answer.stacks for frame in stack)


def known_modules(numbers: Iterable[int], functions: int = 2_000) -> list[KnownModule]:
    return [KnownModule(number, functions) for number in numbers]
