"""Stacks of the sanitizers of LLVM and GCC: ASan, HWASan, LSan, MSan, TSan, UBSan, libFuzzer.

    ==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000014 …
    READ of size 4 at 0x602000000014 thread T0
        #0 0x7f416e0f115a  (/usr/lib/libgrow.so+0x115a) (BuildId: c7e3…27eef)
        #1 0x55d8e05d319d in plant(int) (/usr/bin/prog+0x119d) (BuildId: …)
        #2 0x5649d9a0f1ae in main /src/prog.c:4

The address of a caller is already within its call instruction. GCC's runtime prints no build id as
of GCC 12. A frame that the sanitizer symbolicated itself, such as #2, does not say its module.
TSan leaves out the address, macOS adds the architecture to the module: `prog:arm64+0x119d`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from symbolon._forms.crash import Crash, make_elf_module, read_address
from symbolon._forms.lines import cut_build_id

LACKS_ID = (
    "no build id, so it cannot be looked up: runtimes of LLVM 14 and later print it, if the "
    "module was linked with --build-id"
)

_FRAME = re.compile(r"(?<!\S)#(\d{1,6}) +(?:0x([0-9A-Fa-f]{1,16})(?!\S) *)?")
_PATH = re.compile(r"(?:^| )\((?=/|[A-Za-z]:\\)")
_ARCHITECTURE = re.compile(r":(?:arm64e?|armv7s?|i386|x86_64h?)")
_IS_ADVICE = re.compile(r"==\d+==(?:Hint:|The signal is caused by)")
"""Lines between what happened and its stack."""


class _Frame(NamedTuple):
    number: int
    address: int
    path: str
    """Empty: the line names no module."""

    offset: int
    build_id: str


def is_sanitizer(text: str) -> bool:
    """Return whether a line has a module as sanitizers write it."""
    return any(frame.path for frame in _read_frames(text) if isinstance(frame, _Frame))


def read_sanitizer(text: str) -> Crash:
    """Return each stack of a report, called by the line above it."""
    crash = Crash()
    title, number, symbolicated = "", -1, 0
    for frame in _read_frames(text):
        if isinstance(frame, str):
            title = title if _IS_ADVICE.match(frame) else frame or title
            continue
        if frame.number <= number or not crash.threads:
            crash.add_thread(title)
        number = frame.number
        if frame.path:
            crash.add_frame(make_elf_module(frame.path, frame.build_id), frame.offset)
        else:
            symbolicated += 1
            crash.add_frame(None, frame.address)
    if symbolicated:
        crash.problems[
            f"frames without a module: {symbolicated}, as the sanitizer symbolicated them itself "
            "or knows none; symbolize=0 in ASAN_OPTIONS lets it print modules"
        ] = None
    return crash


def _read_frames(text: str) -> Iterator[_Frame | str]:
    """Yield each frame, and each other line, without its indent."""
    for line in text.splitlines():
        found = _FRAME.search(line)
        if found is None:
            yield line.strip()
            continue
        rest, build_id = cut_build_id(line[found.end() :])
        path, offset = _read_place(rest)
        yield _Frame(int(found[1]), int(found[2] or "0", 16), path, offset, build_id)


def _read_place(text: str) -> tuple[str, int]:
    """Return the path and offset in `… (/usr/lib/libgrow.so+0x115a)`; empty and 0 without."""
    if not text.endswith(")"):
        return "", 0
    before, _, digits = text[:-1].rpartition("+0x")
    offset = read_address(digits)
    if offset is None or not before:
        return "", 0
    start = -1
    for found in _PATH.finditer(before):
        start = found.end()
    if start < 0:  # a name without a path
        start = before.rfind("(") + 1
    path = before[start:]
    name, colon, architecture = path.rpartition(":")
    return (name if name and _ARCHITECTURE.fullmatch(colon + architecture) else path), offset
