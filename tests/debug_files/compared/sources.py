"""What the mill's sources say themselves: who can be called on a line."""

import re
from functools import cache
from itertools import pairwise
from posixpath import basename

from tests.debug_files.compared.references import Frame, Frames
from tests.debug_files.compiling import NATIVE

_NESTED = re.compile(r"<[^<>]*>|\([^()]*\)|\{[^{}]*\}|\[[^][]*\]")

_CALLED_AS = {
    "operator": ("visit(", "less(", "weigh("),
    "Bag": ("Sack ", "Weights ", "class Bag"),
    "Shift": ("Shift shift(",),
    "~Shift": ("}", "Shift shift("),
    "Grain": ("Grain", "Item items_[Room]"),
}
"""How calls are written that do not have the name of the function."""


def is_called_there(callee: Frame, caller: Frame) -> bool:
    """Return whether the source line at which `caller` is can call `callee`."""
    line = source_lines(basename(caller.file))[caller.line - 1]
    name = base_name(callee.name)
    return any(text in line for text in _CALLED_AS.get(name, (f"{name}(",)))


def wrong_calls(frames: Frames) -> list[tuple[Frame, Frame]]:
    """Return the inlined calls that the sources do not have: callee and caller."""
    return [
        (callee, caller)
        for callee, caller in pairwise(frames)
        if not is_called_there(callee, caller)
    ]


@cache
def source_lines(name: str) -> list[str]:
    """Return the lines of one of the mill's sources."""
    return (NATIVE / "mill" / name).read_text(encoding="utf-8").splitlines()


def base_name(demangled: str) -> str:
    """Return a function's name without its scopes, its types and its arguments."""
    name, before = demangled.replace("operator()", "operator"), ""
    while name != before:
        before, name = name, _NESTED.sub("", name)
    return name.removesuffix(" const").rsplit("::")[-1].rsplit(" ")[-1]
