"""How an input is divided: one document, one report per line, or raw lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, islice
from typing import Any, BinaryIO

from symbolon._forms.apple import is_ips_header
from symbolon._forms.raw_lines import RAW_LINE_EXAMPLE, RAW_LINE_FORM, is_raw
from symbolon._forms.table import JSON_FORMS, TEXT_FORMS
from symbolon._forms.unpacking import unpack
from symbolon.errors import InvalidReportError

_ACCEPTED = (
    "Accepted are crash reports in the JSON of Tecken's and Eliot's API, version 5 or 4; "
    f"{'; '.join(form.name for form in (*JSON_FORMS, *TEXT_FORMS))}; and lines of the form "
    f"{RAW_LINE_FORM}, such as: {RAW_LINE_EXAMPLE}"
)

_OTHER_FORMATS = {
    b"MDMP": (
        "is a minidump: its stacks must be walked first, with `minidump-stackwalk --json FILE`"
    ),
}

_BEGINNING_BYTES = 4_096

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


@dataclass(frozen=True, slots=True)
class Input:
    """An input whose kind is known from its beginning."""

    kind: InputKind
    parts: Iterable[Part]
    """The document, or the lines that are not blank."""


def read_input(opened: BinaryIO, *, are_lines: bool) -> Input:
    """Return the input in parts, as `divide` does; compressed input is unpacked."""
    return divide(unpack(opened), are_lines=are_lines)


def divide(opened: BinaryIO, *, are_lines: bool = False) -> Input:
    """Return the input in parts; with `are_lines` each line is a report.

    Otherwise its first lines decide: a raw line, or a complete JSON document in the first of
    several lines.
    """
    lines = ((number, line) for number, line in enumerate(opened, 1) if not line.isspace())
    first = next(lines, (1, b""))
    if not are_lines and is_raw(first[1]):
        return Input(InputKind.RAW, chain([first], lines))
    if not are_lines and (is_ips_header(first[1]) or not is_json(first[1])):
        return Input(InputKind.DOCUMENT, [(first[0], first[1] + opened.read())])
    second = list(islice(lines, 1))
    kind = InputKind.LINES if are_lines or second else InputKind.DOCUMENT
    return Input(kind, chain([first] if first[1] else [], second, lines))


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
