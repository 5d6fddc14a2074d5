"""How an input is divided: one document, one report per line, or raw lines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from symbolon._forms.apple import is_ips_header
from symbolon._forms.table import JSON_FORMS, TEXT_FORMS
from symbolon._module_ids import (
    DEBUG_ID_CHARACTERS,
    DEBUG_ID_FORM,
    find_file_fault,
    is_debug_id,
    last_part,
)
from symbolon.command_line.reading.unpacking import unpack
from symbolon.errors import InvalidReportError
from symbolon.reports import Module

STANDARD_INPUT = "-"

RAW_LINE_FORM = "<debug file>/<DEBUG ID> <offset>"
RAW_LINE_EXAMPLE = "xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2 0x1a2f"

_ACCEPTED = (
    "Accepted are crash reports in the JSON of Tecken's and Eliot's API, version 5 or 4; "
    f"{'; '.join(form.name for form in (*JSON_FORMS, *TEXT_FORMS))}; and lines of the form "
    f"{RAW_LINE_FORM}, such as: {RAW_LINE_EXAMPLE}"
)

_OTHER_FORMATS = {
    b"MDMP": (
        "is a minidump: its stacks must be walked first, "
        "`minidump-stackwalk --json FILE | symbolon symbolicate -`"
    ),
}

_BEGINNING_BYTES = 4_096

_RAW_LINE = re.compile(
    rb"\s*((?:\S.*)?)/(%b)\s+(0[xX][0-9A-Fa-f]+|\d{1,20})\s*" % DEBUG_ID_CHARACTERS.encode()
)
"""Debug file, debug id and module offset, which is hex with 0x, else decimal."""

Part = tuple[int, bytes]
"""A document or line, and the number of its first line."""


class InputKind(Enum):
    """How an input is divided into reports."""

    DOCUMENT = auto()
    """One JSON document."""
    LINES = auto()
    """One JSON document per line."""
    RAW = auto()
    """One module id and module offset per line."""


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


@dataclass(frozen=True, slots=True)
class Input:
    """An input whose kind is known from its beginning."""

    kind: InputKind
    parts: Iterable[Part]
    """The document, or the lines that are not blank."""


def name_input(file: str) -> str:
    """Return the name of an input for messages."""
    return "standard input" if file == STANDARD_INPUT else file


def open_input(file: str) -> BinaryIO:
    """Return a file, or standard input; raise `InvalidReportError`."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise InvalidReportError(f"cannot read {file}: {error.strerror}") from error


def read_input(opened: BinaryIO, *, are_lines: bool) -> Input:
    """Return the input in parts; with `are_lines` each line is a report.

    Otherwise its first lines decide: a raw line, or a complete JSON document in the first of
    several lines. Compressed input is unpacked.
    """
    opened = unpack(opened)
    lines = ((number, line) for number, line in enumerate(opened, 1) if not line.isspace())
    first = next(lines, (1, b""))
    if not are_lines and _RAW_LINE.fullmatch(first[1]):
        return Input(InputKind.RAW, chain([first], lines))
    if not are_lines and (is_ips_header(first[1]) or not is_json(first[1])):
        return Input(InputKind.DOCUMENT, [(first[0], first[1] + opened.read())])
    second = list(islice(lines, 1))
    kind = InputKind.LINES if are_lines or second else InputKind.DOCUMENT
    return Input(kind, chain([first] if first[1] else [], second, lines))


def parse_raw(line: bytes) -> RawFrame:
    """Return the content of a raw line; raise `InvalidReportError`."""
    found = _RAW_LINE.fullmatch(line)
    if found is None:
        text = line.decode(errors="replace").strip()
        raise InvalidReportError(f"{text!r} is not {RAW_LINE_FORM}")
    debug_file, debug_id, offset = (part.decode(errors="replace") for part in found.groups())
    base = 16 if offset[:2] in {"0x", "0X"} else 10
    return RawFrame(debug_file, debug_id, int(offset, base))


def is_text(data: bytes) -> bool:
    """Return whether these bytes begin like a text, and not like JSON."""
    return data.lstrip()[:1] not in {b"{", b"["} and b"\0" not in data[:_BEGINNING_BYTES]


def is_json(data: bytes) -> bool:
    """Return whether these bytes are a complete JSON document."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def parse_json(data: bytes, name: str) -> Any:
    """Return the document; raise `InvalidReportError`, which calls it `name`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidReportError(f"{name} {_describe_fault(data, error)}") from error


def _describe_fault(data: bytes, error: Exception) -> str:
    """Return what is wrong with data that is not JSON, and what to give instead."""
    for beginning, said in _OTHER_FORMATS.items():
        if data.startswith(beginning):
            return f"{said}. {_ACCEPTED}"
    if not data.strip():
        return f"is empty. {_ACCEPTED}"
    if data.lstrip()[:1] in {b"{", b"["}:  # meant to be JSON
        return f"is not valid JSON: {error}"
    return f"has no form that can be read. {_ACCEPTED}"


def skip(parts: Iterable[Part], count: int) -> Iterator[Part]:
    """Return the parts after the first `count`; raise `InvalidReportError` if there are fewer."""
    iterator = iter(parts)
    for number in range(count):
        if next(iterator, None) is None:
            raise InvalidReportError(f"the output has {count} lines, the input only {number}")
    return iterator
