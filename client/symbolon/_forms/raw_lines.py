"""Raw lines: `xul.pdb/44E4…C2 0x1a2f`, from a log or a debugger."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from symbolon._module_ids import (
    DEBUG_ID_CHARACTERS,
    DEBUG_ID_FORM,
    find_file_fault,
    is_debug_id,
    last_part,
)
from symbolon._tecken.jobs import Problems
from symbolon.errors import InvalidReportError
from symbolon.reports import Module

RAW_LINE_FORM = "<debug file>/<DEBUG ID> <offset>"
RAW_LINE_EXAMPLE = "xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2 0x1a2f"

_RAW_LINE = re.compile(
    rb"\s*((?:\S.*)?)/(%b)\s+(0[xX][0-9A-Fa-f]+|\d{1,20})\s*" % DEBUG_ID_CHARACTERS.encode()
)
"""Debug file, debug id and module offset, which is hex with 0x, else decimal."""


class RawFrame(NamedTuple):
    """The content of a raw line."""

    debug_file: str
    """As given, with or without a path."""
    debug_id: str
    module_offset: int

    @property
    def module(self) -> Module:
        """The module to look up."""
        return Module(last_part(self.debug_file), self.debug_id)

    @property
    def fault(self) -> str:
        """Why a server would reject a call with this module; empty if it would not."""
        if fault := find_file_fault(self.debug_file, takes_path=True):
            return f"the debug file: {fault}"
        return "" if is_debug_id(self.debug_id) else f"the debug id: it must be {DEBUG_ID_FORM}"


def is_raw(line: bytes) -> bool:
    """Return whether a line has this form."""
    return _RAW_LINE.fullmatch(line) is not None


def parse_raw(line: bytes) -> RawFrame:
    """Return the content of a raw line; raise `InvalidReportError`."""
    found = _RAW_LINE.fullmatch(line)
    if found is None:
        text = line.decode(errors="replace").strip()
        raise InvalidReportError(f"{text!r} is not {RAW_LINE_FORM}")
    debug_file, debug_id, offset = (part.decode(errors="replace") for part in found.groups())
    base = 16 if offset[:2] in {"0x", "0X"} else 10
    return RawFrame(debug_file, debug_id, int(offset, base))


def make_payload(lines: Iterable[tuple[int, bytes]], problems: Problems) -> Any:
    """Return numbered raw lines as one stack in JSON of version 5.

    Lines in another form are left out and added to `problems`, which may raise
    `InvalidReportError`.
    """
    indexes: dict[tuple[str, str], int] = {}
    frames: list[list[int]] = []
    for number, line in lines:
        if not is_raw(line):
            problems.add(f"line {number} is not {RAW_LINE_FORM}")
            continue
        debug_file, debug_id, offset = parse_raw(line)
        frames.append([indexes.setdefault((debug_file, debug_id), len(indexes)), offset])
    return {"memoryMap": [list(module) for module in indexes], "stacks": [frames]}
