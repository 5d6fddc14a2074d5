"""Call chains of `perf script`, with the build ids that `--show-mmap-events` prints.

    spin 21988 29633.181106: PERF_RECORD_MMAP2 21988/21988: [0x555ca5faa000(0x1000) @ 0x1000
        <23ada2b7cf02fd48f28a3112c4ff3240848f3807>]: r-xp /usr/bin/spin           (on the same line)
    spin 21988 29633.181575:     250000 cpu-clock:u:
                    1143 ripen+0x1a (/usr/bin/spin)
                    1169 harvest+0x9 (/usr/bin/spin)

Perf prints the offset in the file for code of a process, older versions the address. Linkers
usually load code at the address that is its offset in the file; of those that do not, such as LLD,
frames are not found. Callers are return addresses, with `--call-graph dwarf` less 1; the byte
before either is part of the call.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from symbolon._forms.crash import Crash, make_elf_module

LACKS_ID = (
    "no build id, so it cannot be looked up: record with `perf record --buildid-mmap`, and print "
    "with `perf script --show-mmap-events`"
)

_MAPPING = re.compile(
    r"\[0x([0-9a-f]{1,16})\(0x([0-9a-f]{1,16})\) @ (?:0x)?([0-9a-f]{1,16}) (?:<([0-9a-f]{2,64})>)?"
)
_FRAME = re.compile(r"\s+([0-9a-f]{1,16}) (?=\S)")
_NO_FILES = ("[", "//anon")
_INLINED = "inlined"
_NO_FILE = (
    "frames that perf calls inlined name no file: with `perf script --no-inline` all of them do"
)


class _Mapping(NamedTuple):
    start: int
    size: int
    file_offset: int
    build_id: str


class _Frame(NamedTuple):
    address: int
    path: str


_NOT_MAPPED = _Mapping(0, 0, 0, "")


def is_perf(text: str) -> bool:
    """Return whether a frame of a call chain follows the first line of a sample."""
    is_sample = False
    for line in text.splitlines():
        if is_sample and _read_frame(line):
            return True
        is_sample = line.rstrip().endswith(":")
    return False


def read_perf(text: str) -> Crash:
    """Return the stack of each sample, called by the sample's first line."""
    crash = Crash()
    mappings: dict[str, _Mapping] = {}
    title, chain = "", list[_Frame]()
    for line in text.splitlines():
        frame = _read_frame(line)
        if frame is not None:
            chain.append(frame)
            continue
        _add_sample(crash, title, chain, mappings)
        chain.clear()
        if "PERF_RECORD_MMAP" in line:
            _add_mapping(mappings, line)
        else:
            title = " ".join(line.split()).rstrip(":")
    _add_sample(crash, title, chain, mappings)
    return crash


def _add_sample(
    crash: Crash, title: str, chain: list[_Frame], mappings: dict[str, _Mapping]
) -> None:
    """Add a stack. Inline frames, which perf makes of debug information, are left out."""
    if not chain:
        return
    crash.add_thread(title)
    is_first = True
    for number, (address, path) in enumerate(chain):
        around = (*chain[max(number - 1, 0) : number], *chain[number + 1 : number + 2])
        if path == _INLINED and any(one.address == address for one in around):
            continue
        _add_frame(crash, address, path, mappings, is_first=is_first)
        is_first = False


def _add_mapping(mappings: dict[str, _Mapping], line: str) -> None:
    found = _MAPPING.search(line)
    _, is_code, path = line.rstrip().partition("]: r-xp ")
    if found and is_code:
        start, size, file_offset = (int(digits, 16) for digits in found.groups()[:3])
        mappings[path] = _Mapping(start, size, file_offset, found[4] or "")


def _read_frame(line: str) -> _Frame | None:
    """Return the frame of a line, if it has one."""
    found = _FRAME.match(line)
    text = line.rstrip()
    if found is None or not text.endswith(")"):
        return None
    return _Frame(int(found[1], 16), text[:-1].rpartition(" (")[2])


def _add_frame(
    crash: Crash, address: int, path: str, mappings: dict[str, _Mapping], *, is_first: bool
) -> None:
    if path == _INLINED:
        crash.problems[_NO_FILE] = None
    if path == _INLINED or path.startswith(_NO_FILES):
        crash.add_frame(None, address, is_return_address=not is_first)
        return
    mapping = mappings.get(path, _NOT_MAPPED)
    if mapping.start <= address < mapping.start + mapping.size:
        address += mapping.file_offset - mapping.start
    module = make_elf_module(path, mapping.build_id)
    crash.add_frame(module, address, is_return_address=not is_first)
