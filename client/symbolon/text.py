"""A symbolicated crash as people read it."""

from collections.abc import Iterator, Sequence

from symbolon.reports import Module
from symbolon.results import (
    FrameOutcome,
    InlineFrame,
    ModuleOutcome,
    SymbolicatedFrame,
    Symbolication,
)

MAX_MODULE_WIDTH = 24
"""Longer module names push their line to the right, not all lines."""

_SILENT = (ModuleOutcome.FOUND, ModuleOutcome.NOT_REFERENCED)


def write_crash(modules: Sequence[Module], answer: Symbolication) -> str:
    """Return the stacks as text, innermost first, then the modules that have no symbols."""
    lines: list[str] = []
    for number, stack in enumerate(answer.stacks):
        lines += [f"Thread {number}", *_write_stack(stack), ""]
    return "\n".join(map(_make_printable, [*lines, *_write_modules(modules, answer)]))


def _make_printable(line: str) -> str:
    """Return the line without what a terminal would obey: names come from anybody's files."""
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _write_stack(stack: Sequence[SymbolicatedFrame]) -> Iterator[str]:
    width = min(max((len(frame.module) for frame in stack), default=0), MAX_MODULE_WIDTH)
    for number, frame in enumerate(stack):
        indent = f"{number:3}  {frame.module:{width}}  "
        for text in _write_frame(frame):
            yield indent + text
            indent = " " * (width + 9)


def _write_frame(frame: SymbolicatedFrame) -> Iterator[str]:
    """Yield the innermost call first: what it was dissolved into follows, then the function."""
    if frame.function is None:
        yield f"0x{frame.module_offset:x}{_write_outcome(frame.outcome)}"
        return
    calls = [*frame.inlines, InlineFrame(frame.function, frame.file, frame.line)]
    for depth, call in enumerate(calls):
        prefix = "inlined into " if depth else ""
        yield f"{prefix}{call.function}{_write_source(call.file, call.line)}"


def _write_outcome(outcome: FrameOutcome) -> str:
    return f"  ({outcome.name.lower().replace('_', ' ')})"


def _write_source(file: str | None, line: int | None) -> str:
    if file is None:
        return ""
    return f"  [{file}]" if line is None else f"  [{file}:{line}]"


def _write_modules(modules: Sequence[Module], answer: Symbolication) -> Iterator[str]:
    heading = "Modules without symbols"
    for module, result in zip(modules, answer.modules, strict=True):
        if result.outcome in _SILENT:
            continue
        if heading:
            yield heading
        heading = ""
        detail = f": {result.detail}" if result.detail else ""
        yield f"  {module.debug_file}/{module.debug_id}  {result.outcome.name.lower()}{detail}"
