"""The text for people of rust-minidump's `minidump-stackwalk`, and of Breakpad's.

    Thread 0 orchard (crashed) - tid: 4711
     0  orchard!orchard::grade(orchard::Crate const&) [grading.cpp : 9 + 0x4]
         rsp = 0x00007fffffffe540    rip = 0x0000555555555210
        Found by: given as instruction pointer in context
     1  orchard + 0x11cb
         rsp = 0x00007fffffffe560    rip = 0x00005555555551cc
        Found by: call frame info

    Loaded modules:
    0x555555554000 - 0x555555558fff  orchard  ???  (main)  (WARNING: No symbols, orchard, C3D8…0)

Only Breakpad prints debug ids, those of the modules for which it found no symbols. The register of
a caller is its return address. So is the offset that Breakpad prints; that of rust-minidump, which
also lists unloaded modules, is within the call. Inline frames come before their function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from symbolon._forms.crash import Crash, make_walked_module, read_address
from symbolon._forms.loaded_modules import LoadedModule, LoadedModules
from symbolon.reports import Module

LACKS_ID = (
    "no debug id, so it cannot be looked up: rust-minidump prints it with `minidump-stackwalk "
    "--json`, Breakpad with `minidump_stackwalk -m`, and as text only if it finds no symbols"
)

_THREAD = re.compile(r"\s*Thread \d{1,6}(?!\S)")
_FRAME = re.compile(r"\s*\d{1,6}\s+(?=\S)")
_BARE_ADDRESS = re.compile(r"0x([0-9A-Fa-f]{1,16})(?!\S)")
_POINTER = re.compile(r"(?<!\S)(rip|eip|pc|srr0) = 0x([0-9A-Fa-f]{8,16})(?!\S)")
_INLINED = ("Found by: inlining", "Found by: inline record")
_MODULE = re.compile(r"\s*0x([0-9A-Fa-f]{1,16})\s+-\s+0x([0-9A-Fa-f]{1,16})\s+(?=\S)")
_IDS = "(WARNING: "


@dataclass(slots=True)
class _Frame:
    name: str
    """Of its module; empty: it is in none."""

    offset: int | None
    """In the module, or its address if it is in none; `None`: it is that in a function or line."""

    is_inline: bool = False
    pointer: int | None = None
    """The instruction pointer among its registers."""


def is_minidump_stackwalk_text(text: str) -> bool:
    """Return whether the heading of a thread is followed by a frame."""
    is_thread = False
    for line in text.splitlines():
        if is_thread and _read_frame(line):
            return True
        is_thread = _THREAD.match(line) is not None
    return False


def read_minidump_stackwalk_text(text: str) -> Crash:
    """Return the threads."""
    lines = text.splitlines()
    reader = _Reader(lines)
    for line in lines:
        if line.lstrip().startswith("Loaded modules:"):
            break
        reader.add_line(line)
    return reader.finish()


class _Reader:
    """Makes a crash of the lines of threads."""

    def __init__(self, lines: list[str]) -> None:
        loaded = list(_read_modules(lines))
        self._loaded = LoadedModules(loaded)
        self._named = {one.module.code_file: one.module for one in loaded}
        self._are_returns = not any(line.strip() == "Unloaded modules:" for line in lines)
        self._crash = Crash()
        self._frame: _Frame | None = None
        self._nowhere = 0

    def add_line(self, line: str) -> None:
        """Read a thread's heading, a frame, or more of the last frame; other lines are ignored."""
        if _THREAD.match(line):
            self._finish_frame()
            self._crash.add_thread(" ".join(line.split()))
        elif self._crash.threads and (frame := _read_frame(line)):
            self._finish_frame()
            self._frame = frame
        elif self._frame is not None:
            if pointer := _POINTER.search(line):
                self._frame.pointer = _read_pointer(pointer)
            elif line.strip() in _INLINED:
                self._frame.is_inline = True

    def finish(self) -> Crash:
        """Return the crash."""
        self._finish_frame()
        if self._nowhere:
            self._crash.problems[
                f"frames without an offset in their module: {self._nowhere}, as they have no "
                "registers, or the list of loaded modules is missing: take the output of "
                "`minidump-stackwalk --json`"
            ] = None
        return self._crash

    def _finish_frame(self) -> None:
        frame, self._frame = self._frame, None
        if frame is None or frame.is_inline:
            return
        is_caller = bool(self._crash.threads[-1].frames)
        module, address = None, frame.pointer or 0
        if frame.pointer is not None:
            module, address = self._loaded.find(frame.pointer)
        if module is not None or frame.offset is None:
            self._nowhere += module is None
            self._crash.add_frame(module, address, is_return_address=is_caller)
            return
        if frame.name:
            module = self._named.get(frame.name) or make_walked_module(frame.name)
        is_return = is_caller and self._are_returns
        self._crash.add_frame(module, frame.offset, is_return_address=is_return)


def _read_pointer(found: re.Match[str]) -> int:
    """Return an instruction pointer; the lowest bit of a `pc` is ARM's sign of a Thumb function."""
    address = int(found[2], 16)
    return address & ~1 if found[1] == "pc" else address


def _read_frame(line: str) -> _Frame | None:
    """Return the frame of a line, if it is one."""
    found = _FRAME.match(line)
    if found is None:
        return None
    text = line[found.end() :].rstrip()
    if address := _BARE_ADDRESS.match(text):
        return _Frame("", int(address[1], 16))
    before, _, digits = text.rpartition(" + 0x")
    offset = read_address(digits.removesuffix("]"))
    name, has_function, _ = (before or text).partition("!")
    if has_function and name:
        return _Frame(name, None, is_inline=offset is None)
    return _Frame(before, offset) if before and offset is not None else None


def _read_modules(lines: list[str]) -> Iterator[LoadedModule]:
    is_list = False
    for line in lines:
        heading = line.strip()
        if heading in {"Loaded modules:", "Unloaded modules:"}:
            is_list = heading == "Loaded modules:"
        elif is_list and (found := _MODULE.match(line)):
            module = _read_module(line[found.end() :].rstrip())
            yield LoadedModule(int(found[1], 16), int(found[2], 16), module)


def _read_module(text: str) -> Module:
    """Return the module in `orchard  ???  (main)  (WARNING: No symbols, orchard, C3D8…0)`."""
    before, warning, last = text.rpartition(_IDS)
    rest = (before if warning else text).strip()
    name = rest.split("  " if "  " in rest else None, 1)[0]
    if not warning:
        return make_walked_module(name)
    debug_file, _, debug_id = last.removesuffix(")").partition(", ")[2].rpartition(", ")
    return make_walked_module(name, debug_file, debug_id)
