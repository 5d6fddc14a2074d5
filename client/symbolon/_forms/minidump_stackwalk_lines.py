"""The lines for programs of Breakpad's `minidump_stackwalk -m`.

    Crash|SIGSEGV|0x10|0
    Module|orchard||orchard|C3D8…0|0x555555554000|0x555555558fff|1

    0|0|orchard||||0x1210
    0|1|orchard||||0x11cc
    0|2|libc.so.6|abort|abort.c|79|0x5
    0|3|||||0x7ffff7fff010

A frame has thread, number, module, function, file, line and offset. The offset is that in the
module only if there is no function, and an address if there is no module. Callers have return
addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from symbolon._forms.crash import Crash, make_walked_module, read_address
from symbolon.reports import Module

LACKS_ID = "no line `Module|…` with a debug id, so it cannot be looked up"

_MODULE_PARTS = 8
_FRAME_PARTS = 7
_CRASH_PARTS = 4
_NUMBERS = re.compile(r"\s*\d{1,6}\|\d{1,6}\|")


class _Frame(NamedTuple):
    thread: int
    module: str
    function: str
    offset: int


def is_minidump_stackwalk_lines(text: str) -> bool:
    """Return whether a line is a frame in this form."""
    return any(_read_frames(text.splitlines()))


def read_minidump_stackwalk_lines(text: str) -> Crash:
    """Return the threads."""
    lines = text.splitlines()
    modules = dict(_read_modules(lines))
    crashed = _read_crashed(lines)
    crash, thread, symbolicated = Crash(), -1, 0
    for frame in _read_frames(lines):
        if frame.thread != thread:
            thread = frame.thread
            crash.add_thread(f"Thread {thread}{' (crashed)' if thread == crashed else ''}")
        if frame.function:
            symbolicated += 1
            crash.add_frame(None, 0)
            continue
        name = frame.module
        module = modules.get(name) or make_walked_module(name) if name else None
        is_caller = bool(crash.threads[-1].frames)
        crash.add_frame(module, frame.offset, is_return_address=is_caller)
    if symbolicated:
        crash.problems[
            f"frames without an offset in their module: {symbolicated}, as they have a function "
            "instead: run `minidump_stackwalk -m` without symbols, which leaves all to be looked up"
        ] = None
    return crash


def _read_frames(lines: Iterable[str]) -> Iterator[_Frame]:
    for line in lines:
        if not _NUMBERS.match(line):
            continue
        parts = line.strip().split("|", _FRAME_PARTS)
        offset = read_address(parts[-1])
        if len(parts) == _FRAME_PARTS and offset is not None:
            yield _Frame(int(parts[0]), parts[2], parts[3], offset)


def _read_modules(lines: Iterable[str]) -> Iterator[tuple[str, Module]]:
    """Yield each module and its name."""
    for line in lines:
        parts = line.strip().split("|", _MODULE_PARTS)
        if parts[0] == "Module" and len(parts) == _MODULE_PARTS:
            _, name, _, debug_file, debug_id, *_ = parts
            yield name, make_walked_module(name, debug_file, debug_id)


def _read_crashed(lines: Iterable[str]) -> int | None:
    """Return the number of the thread that crashed, if one did."""
    for line in lines:
        parts = line.strip().split("|", _CRASH_PARTS)
        if parts[0] == "Crash" and len(parts) == _CRASH_PARTS:
            has_crashed = parts[2] and re.fullmatch(r"\d{1,6}", parts[3])
            return int(parts[3]) if has_crashed else None
    return None
