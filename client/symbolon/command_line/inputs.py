"""What `symbolon symbolicate` reads: one document, one report a line, or raw lines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from symbolon.debug_ids import DEBUG_ID_CHARACTERS
from symbolon.errors import InvalidReportError

STANDARD_INPUT = "-"

RAW_LINE = re.compile(
    rb"\s*((?:\S.*)?)/(%b)\s+(0[xX][0-9A-Fa-f]+|\d+)\s*" % DEBUG_ID_CHARACTERS.encode()
)
"""Debug file, debug id and module offset; with 0x it is hex, without it decimal."""

RAW_LINE_FORM = "<debug file>/<DEBUG ID> <offset>"

Part = tuple[int, bytes]
"""A document or line, and the number of the line that it begins at."""


class InputKind(Enum):
    """How an input is cut into reports."""

    DOCUMENT = auto()
    """One JSON document."""
    LINES = auto()
    """One JSON document a line."""
    RAW = auto()
    """One module id and module offset a line."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input whose beginning has been looked at."""

    kind: InputKind
    parts: Iterable[Part]
    """The document, or the lines that are not blank."""


def open_input(file: str) -> BinaryIO:
    """Return a file, or standard input; raise `InvalidReportError`."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise InvalidReportError(f"cannot read {file}: {error.strerror}") from error


def read_input(opened: BinaryIO, *, are_lines: bool) -> Input:
    """Return the input in parts; `are_lines` says that each line is a report.

    Otherwise its first lines tell: a raw line, or a JSON document by itself in the first of
    several.
    """
    lines = ((number, line) for number, line in enumerate(opened, 1) if not line.isspace())
    first = next(lines, (1, b""))
    if not are_lines and RAW_LINE.fullmatch(first[1]):
        return Input(InputKind.RAW, chain([first], lines))
    if not (are_lines or is_json(first[1])):
        return Input(InputKind.DOCUMENT, [(first[0], first[1] + opened.read())])
    second = list(islice(lines, 1))
    kind = InputKind.LINES if are_lines or second else InputKind.DOCUMENT
    return Input(kind, chain([first] if first[1] else [], second, lines))


def is_json(data: bytes) -> bool:
    """Return whether these bytes are a JSON document by themselves."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def parse_json(data: bytes, name: str) -> Any:
    """Return the document; raise `InvalidReportError` that calls it so."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidReportError(f"{name} is not valid JSON: {error}") from error


def skip(parts: Iterable[Part], count: int) -> Iterator[Part]:
    """Return the parts after the first ones; raise `InvalidReportError` if there are fewer."""
    iterator = iter(parts)
    for number in range(count):
        if next(iterator, None) is None:
            raise InvalidReportError(f"the output has {count} lines, the input only {number}")
    return iterator
