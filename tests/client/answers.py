"""Short constructors of answers."""

from dataclasses import replace
from typing import Any

from symbolon import FrameOutcome, ModuleOutcome, ModuleResult, SymbolicatedFrame, Symbolication


def make_frame(
    module: str, module_offset: int, function: str | None = None, **known: Any
) -> SymbolicatedFrame:
    """Return a frame with the given fields."""
    frame = SymbolicatedFrame(
        module=module,
        module_offset=module_offset,
        outcome=FrameOutcome.SYMBOLICATED if function else FrameOutcome.MODULE_MISSING,
        function=function,
        function_offset=0 if function else None,
        file=None,
        line=None,
        inlines=(),
        is_multiple=False,
    )
    return replace(frame, **known)


def make_answer(stacks: list[list[SymbolicatedFrame]], *outcomes: ModuleOutcome) -> Symbolication:
    """Return an answer with these stacks and module outcomes."""
    return Symbolication(
        stacks=tuple(map(tuple, stacks)),
        modules=tuple(ModuleResult(outcome, "", None, 0) for outcome in outcomes),
        diagnostics=None,
    )
