"""Lines of glibc's `backtrace_symbols`.

    ./prog(show+0x18)[0x55d2e4525181]
    ./prog(+0x11b6) [0x55d2e45251b6]
    /lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0x85)[0x7fa37652d305]

All addresses are return addresses, but that where a signal came, which no line tells: if it is the
first of its function, the function before it is answered. A line with a function has the offset in
that function: if another line has the offset in the same module, the two addresses tell the rest.
No line has a build id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from symbolon._forms.crash import Crash, make_elf_module

LACKS_ID = (
    "no build id, which backtrace_symbols does not print, so it cannot be looked up: take it from "
    "`readelf -n FILE`, and ask in JSON with it as the fourth string of the module's entry"
)

_PLACE = re.compile(r"([^()+]*)(?:\+0x([0-9A-Fa-f]{1,16}))?")
_ADDRESS = re.compile(r"0x([0-9A-Fa-f]{1,16})\]")


class _Frame(NamedTuple):
    path: str
    offset: int | None
    """In the module; `None` if the line has another one, or none."""

    address: int


def is_glibc(text: str) -> bool:
    """Return whether a line is one of `backtrace_symbols`."""
    return any(_read_frames(text))


def read_glibc(text: str) -> Crash:
    """Return the stack."""
    frames = list(filter(None, _read_frames(text)))
    starts = {one.path: one.address - one.offset for one in frames if one.offset is not None}
    crash = Crash()
    crash.add_thread()
    for path, offset, address in frames:
        if path not in starts:
            crash.problems[
                f"{path}: the lines have offsets in functions only, and the address at which the "
                "module was loaded is not known"
            ] = None
            crash.add_frame(None, address, is_return_address=True)
            continue
        known = address - starts[path] if offset is None else offset
        if known < 0:  # two modules of one name
            crash.add_frame(None, address, is_return_address=True)
        else:
            crash.add_frame(make_elf_module(path, ""), known, is_return_address=True)
    return crash


def _read_frames(text: str) -> Iterator[_Frame | None]:
    """Yield each frame, `None` for other lines."""
    return map(_read_frame, text.splitlines())


def _read_frame(line: str) -> _Frame | None:
    before, _, last = line.strip().rpartition("[")
    address = _ADDRESS.fullmatch(last)
    before = before.rstrip()
    if address is None or not before.endswith(")"):
        return None
    path, parenthesis, inner = before[:-1].rpartition("(")
    place = _PLACE.fullmatch(inner)
    if not path or not parenthesis or place is None:
        return None
    function, digits = place.groups()
    offset = int(digits, 16) if digits and not function else None
    return _Frame(path.strip(), offset, int(address[1], 16))
