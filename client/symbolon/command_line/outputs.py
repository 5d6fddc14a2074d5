"""Where answers go: standard output, or a file that a later run goes on with."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from symbolon.errors import InvalidReportError

_PIECE_BYTES = 1 << 20


class Output(Protocol):
    """Takes whole lines."""

    @property
    def lines(self) -> int:
        """How many lines there were before."""

    def write(self, line: bytes) -> None:
        """Write a line, without its end."""


def open_output(path: Path | None) -> AbstractContextManager[Output]:
    """Return a file, or standard output; raise `InvalidReportError`."""
    return nullcontext(StandardOutput()) if path is None else OutputFile(path)


class StandardOutput:
    """Lines for whoever reads them."""

    lines = 0

    def write(self, line: bytes) -> None:
        """Write a line."""
        sys.stdout.write(line.decode() + "\n")


class OutputFile:
    """Lines at the end of a file; what was cut off when an earlier run was killed is removed."""

    def __init__(self, path: Path) -> None:
        """Raise `InvalidReportError` for a file that cannot be written."""
        try:
            self.lines = _keep_whole_lines(path)
            self._file = path.open("ab")
        except OSError as error:
            raise InvalidReportError(f"cannot write {path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, line: bytes) -> None:
        """Write a line."""
        self._file.write(line + b"\n")


def _keep_whole_lines(path: Path) -> int:
    """Return how many lines a file has; what follows the last one's end is cut off."""
    lines = position = end = 0
    with path.open("a+b") as file:
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            lines += piece.count(b"\n")
            last = piece.rfind(b"\n")
            end = position + last + 1 if last >= 0 else end
            position += len(piece)
        file.truncate(end)
    return lines
