"""A symbolicated crash as people read it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from symbolon._colors import PLAIN, Colors
from symbolon.reports import Module
from symbolon.results import (
    FrameOutcome,
    InlineFrame,
    ModuleOutcome,
    SymbolicatedFrame,
    Symbolication,
)
from symbolon._tecken.unasked import UnaskedFrame

MAX_MODULE_WIDTH = 24
"""Longer module names push their line to the right, not all lines."""

Unasked = Mapping[int, UnaskedFrame]
"""The frames of a stack that were not asked as given, by their place in it."""

_ALL_ASKED: Unasked = MappingProxyType({})

_SILENT = (ModuleOutcome.FOUND, ModuleOutcome.NOT_REFERENCED)

_VCS_PATH = re.compile(r"(?:hg|git|svn):[^:]+:(?P<path>.+):[^:]*")
_S3_PATH = re.compile(r"s3:[^:]+:[0-9a-f]{32,}/(?P<path>.+):")
"""Where a build server wrote down which file of which repository a line is in:
`hg:hg.mozilla.org/mozilla-central:dom/base/nsINode.cpp:0f1e…`."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How a crash is written."""

    colors: Colors = PLAIN
    full_paths: bool = False
    """Whether to keep repository and revision around the path of a source file."""


def write_crash(
    modules: Sequence[Module],
    answer: Symbolication,
    style: TextStyle = TextStyle(),
    *,
    unasked: Sequence[Unasked] | None = None,
    problems: Sequence[str] = (),
) -> str:
    """Return the stacks as text, innermost first, then the modules that have no symbols.

    `unasked` are the frames of each stack that were not asked as given, `problems` say why.
    """
    lines: list[str] = []
    for number, stack in enumerate(answer.stacks):
        lines += [style.colors.paint(f"Thread {number}", style.colors.heading)]
        own = unasked[number] if unasked else _ALL_ASKED
        lines += [*write_stack(stack, style, own), ""]
    lines += _write_modules(modules, answer, style.colors)
    return "\n".join([*lines, *_write_problems(problems, style.colors)])


def write_stack(
    stack: Sequence[SymbolicatedFrame], style: TextStyle, unasked: Unasked = _ALL_ASKED
) -> Iterator[str]:
    """Yield the lines of one stack."""
    modules = [
        unasked[place].name_module(frame.module) if place in unasked else frame.module
        for place, frame in enumerate(stack)
    ]
    width = min(max(map(len, modules), default=0), MAX_MODULE_WIDTH)
    for number, (module, frame) in enumerate(zip(modules, stack, strict=True)):
        indent = f"{number:3}  {make_printable(module):{width}}  "
        for text in write_calls(frame, style, unasked.get(number)):
            yield indent + text
            indent = " " * (width + 9)


def write_calls(
    frame: SymbolicatedFrame, style: TextStyle, unasked: UnaskedFrame | None = None
) -> Iterator[str]:
    """Yield the innermost call first: what it was dissolved into follows, then the function."""
    colors = style.colors
    if unasked is not None:
        yield f"{make_printable(unasked.offset)}  {colors.paint('(not asked)', colors.trouble)}"
        return
    if frame.function is None:
        outcome = colors.paint(_write_outcome(frame.outcome), colors.trouble)
        yield f"0x{frame.module_offset:x}  {outcome}"
        return
    calls = [*frame.inlines, InlineFrame(frame.function, frame.file, frame.line)]
    for depth, call in enumerate(calls):
        prefix = colors.paint("inlined into ", colors.faint) if depth else ""
        function = colors.paint(make_printable(call.function), colors.function)
        yield f"{prefix}{function}{_write_source(call, style)}"


def shorten_path(file: str) -> str:
    """Return the path within its repository, where the file says that it is in one."""
    found = _VCS_PATH.fullmatch(file) or _S3_PATH.fullmatch(file)
    return found["path"] if found else file


def make_printable(text: str) -> str:
    """Return the text without what a terminal would obey: names come from anybody's files."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _write_outcome(outcome: FrameOutcome) -> str:
    return f"({outcome.name.lower().replace('_', ' ')})"


def _write_source(call: InlineFrame, style: TextStyle) -> str:
    if call.file is None:
        return ""
    file = make_printable(call.file if style.full_paths else shorten_path(call.file))
    where = file if call.line is None else f"{file}:{call.line}"
    return "  " + style.colors.paint(f"[{where}]", style.colors.source)


def _write_problems(problems: Sequence[str], colors: Colors) -> Iterator[str]:
    if problems:
        yield colors.paint("Not asked", colors.heading)
    for problem in problems:
        yield f"  {make_printable(problem)}"


def _write_modules(
    modules: Sequence[Module], answer: Symbolication, colors: Colors
) -> Iterator[str]:
    heading = colors.paint("Modules without symbols", colors.heading)
    for module, result in zip(modules, answer.modules, strict=True):
        if result.outcome in _SILENT:
            continue
        if heading:
            yield heading
        heading = ""
        outcome = colors.paint(result.outcome.name.lower(), colors.trouble)
        detail = f": {result.detail}" if result.detail else ""
        name = make_printable(f"{module.debug_file}/{module.debug_id}")
        yield f"  {name}  {outcome}{make_printable(detail)}"
