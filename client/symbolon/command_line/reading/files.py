"""The input of a command: a file, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from symbolon._forms.inputs import Part
from symbolon.errors import InvalidReportError

STANDARD_INPUT = "-"


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


def skip(parts: Iterable[Part], count: int) -> Iterator[Part]:
    """Return the parts after the first `count`; raise `InvalidReportError` if there are fewer."""
    iterator = iter(parts)
    for number in range(count):
        if next(iterator, None) is None:
            raise InvalidReportError(f"the output has {count} lines, the input only {number}")
    return iterator
