"""A symbolicated crash as text for people, in colours if wanted."""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from types import MappingProxyType

from symbolon._tecken.jobs import RejectedFrame
from symbolon.reports import Module
from symbolon.results import (
    FrameOutcome,
    InlineFrame,
    ModuleOutcome,
    SymbolicatedFrame,
    Symbolication,
)

MAX_MODULE_WIDTH = 24
"""Longer module names indent their own line only."""

Rejected = Mapping[int, RejectedFrame]
"""The frames of a stack that were not looked up as given, by their position in it."""

_NONE_REJECTED: Rejected = MappingProxyType({})

_SILENT = (ModuleOutcome.FOUND, ModuleOutcome.NOT_REFERENCED)

_VCS_PATH = re.compile(r"(?:hg|git|svn):[^:]+:(?P<path>.+):[^:]*")
_S3_PATH = re.compile(r"s3:[^:]+:[0-9a-f]{32,}/(?P<path>.+):")
"""How build servers record the file and its repository:
`hg:hg.mozilla.org/mozilla-central:dom/base/nsINode.cpp:0f1e…`."""


@dataclass(frozen=True, slots=True)
class Colors:
    """The escape sequence before each kind of text, and the one after it; empty for plain text."""

    function: str = ""
    source: str = ""
    faint: str = ""
    trouble: str = ""
    heading: str = ""
    end: str = ""

    def paint(self, text: str, color: str) -> str:
        """Return the text in one of these colours."""
        return f"{color}{text}{self.end}"


PLAIN = Colors()
COLORFUL = Colors(
    function="\x1b[1m",
    source="\x1b[36m",
    faint="\x1b[2m",
    trouble="\x1b[33m",
    heading="\x1b[1;34m",
    end="\x1b[0m",
)


def choose_colors(wanted: str) -> Colors:
    """Return the colours for standard output: `auto`, `always` or `never`.

    With `auto`, `NO_COLOR` in the environment turns colours off (no-color.org).
    """
    is_automatic = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return COLORFUL if wanted == "always" or (wanted == "auto" and is_automatic) else PLAIN


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
    rejected: Sequence[Rejected] | None = None,
    problems: Sequence[str] = (),
    titles: Sequence[str] = (),
) -> str:
    """Return the stacks as text, innermost first, then the modules that have no symbols.

    `rejected` are the frames of each stack that were not looked up as given; `problems` say why.
    Stacks without a title are called by their number.
    """
    lines: list[str] = []
    named = islice(chain(titles, repeat("")), len(answer.stacks))
    for number, (stack, title) in enumerate(zip(answer.stacks, named, strict=True)):
        heading = make_printable(title or f"Thread {number}")
        lines += [style.colors.paint(heading, style.colors.heading)]
        own = rejected[number] if rejected else _NONE_REJECTED
        lines += [*write_stack(stack, style, own), ""]
    lines += _write_modules(modules, answer, style.colors)
    return "\n".join([*lines, *write_problems(problems, style.colors)])


def write_stack(
    stack: Sequence[SymbolicatedFrame], style: TextStyle, rejected: Rejected = _NONE_REJECTED
) -> Iterator[str]:
    """Yield the lines of one stack."""
    modules = [
        rejected[place].name_module(frame.module) if place in rejected else frame.module
        for place, frame in enumerate(stack)
    ]
    width = min(max(map(len, modules), default=0), MAX_MODULE_WIDTH)
    for number, (module, frame) in enumerate(zip(modules, stack, strict=True)):
        indent = f"{number:3}  {make_printable(module):{width}}  "
        for text in write_calls(frame, style, rejected.get(number)):
            yield indent + text
            indent = " " * (width + 9)


def write_calls(
    frame: SymbolicatedFrame, style: TextStyle, rejected: RejectedFrame | None = None
) -> Iterator[str]:
    """Yield the inlined calls, innermost first, then the function they were inlined into."""
    colors = style.colors
    if rejected is not None:
        outcome = colors.paint("(not looked up)", colors.trouble)
        yield f"{make_printable(rejected.offset)}  {outcome}"
        return
    if frame.function is None:
        outcome = colors.paint(_write_outcome(frame.outcome), colors.trouble)
        yield f"0x{frame.module_offset:x}  {outcome}"
        return
    own = InlineFrame(frame.function, frame.file, frame.line, frame.linkage_name)
    for depth, call in enumerate([*frame.inlines, own]):
        prefix = colors.paint("inlined into ", colors.faint) if depth else ""
        function = colors.paint(make_printable(call.function), colors.function)
        yield f"{prefix}{function}{_write_linkage_name(call, colors)}{_write_source(call, style)}"


def shorten_path(file: str) -> str:
    """Return the path within its repository if the file names one, else the file as it is."""
    found = _VCS_PATH.fullmatch(file) or _S3_PATH.fullmatch(file)
    return found["path"] if found else file


def name_module(module: Module) -> str:
    """Return its module id, or what a report without a complete one has in its place."""
    name = f"{module.debug_file or module.code_file}/{module.debug_id}"
    return name if module.debug_id or not module.code_id else f"{name}, code id {module.code_id}"


def make_printable(text: str) -> str:
    """Return the text without control characters: names come from untrusted files."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _write_outcome(outcome: FrameOutcome) -> str:
    return f"({outcome.name.lower().replace('_', ' ')})"


def _write_linkage_name(call: InlineFrame, colors: Colors) -> str:
    """Return the linkage name in parentheses; empty if it is that of the function."""
    if call.linkage_name is None or call.linkage_name == call.function:
        return ""
    return "  " + colors.paint(f"({make_printable(call.linkage_name)})", colors.faint)


def _write_source(call: InlineFrame, style: TextStyle) -> str:
    if call.file is None:
        return ""
    file = make_printable(call.file if style.full_paths else shorten_path(call.file))
    where = file if call.line is None else f"{file}:{call.line}"
    return "  " + style.colors.paint(f"[{where}]", style.colors.source)


def write_problems(problems: Sequence[str], colors: Colors) -> Iterator[str]:
    """Yield what was not looked up, with a heading."""
    if problems:
        yield colors.paint("Not looked up", colors.heading)
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
        yield f"  {make_printable(name_module(module))}  {outcome}{make_printable(detail)}"
