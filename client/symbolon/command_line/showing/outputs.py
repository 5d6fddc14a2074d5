"""Where answers go: standard output, or a file that a later run resumes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from io import FileIO
from pathlib import Path
from typing import Protocol, Self

from symbolon.errors import InvalidReportError

_PIECE_BYTES = 1 << 20

_BYTES_AHEAD = 4_000_000
_PIECES_AHEAD = 1_000
"""How much may queue up while the thread writes; one write takes at most 1,024 pieces."""


class Output(Protocol):
    """Accepts complete lines."""

    @property
    def lines(self) -> int:
        """How many lines it had when it was opened."""

    def write(self, line: bytes) -> None:
        """Write a line, without its end."""


def open_output(path: Path | None) -> AbstractContextManager[Output]:
    """Return a file, or standard output; raise `InvalidReportError`."""
    return nullcontext(StandardOutput()) if path is None else OutputFile(path)


class StandardOutput:
    """Lines on standard output."""

    lines = 0

    def write(self, line: bytes) -> None:
        """Write a line."""
        sys.stdout.write(line.decode() + "\n")


class OutputFile:
    """Lines appended to a file; an incomplete last line, of a run that was killed, is removed.

    A thread writes them while others are made: a write does not hold Python's lock.
    """

    def __init__(self, path: Path) -> None:
        """Raise `InvalidReportError` if the file cannot be written."""
        self._path = path
        try:
            self.lines = _keep_whole_lines(path)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise self._explain(error) from error
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._lines: list[bytes] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file, self._thread:
            if self._lines:
                self._begin_writing()
            self._finish_writing()

    def write(self, line: bytes) -> None:
        """Write a line, at once if the thread is idle; raise `InvalidReportError`."""
        self._lines += (line, b"\n")  # not line + b"\n", which would copy it
        self._bytes += len(line)
        is_idle = self._writing is None or self._writing.done()
        if is_idle or self._bytes > _BYTES_AHEAD or len(self._lines) > _PIECES_AHEAD:
            self._begin_writing()

    def _begin_writing(self) -> None:
        self._finish_writing()
        self._writing = self._thread.submit(_write, self._file, self._lines)
        self._lines, self._bytes = [], 0

    def _finish_writing(self) -> None:
        try:
            if self._writing is not None:
                self._writing.result()
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> InvalidReportError:
        return InvalidReportError(f"cannot write {self._path}: {error.strerror}")


def _write(file: FileIO, pieces: Sequence[bytes]) -> None:
    written = os.writev(file.fileno(), pieces) if hasattr(os, "writev") else 0
    if written < sum(map(len, pieces)):
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[file.write(rest) :]


def _keep_whole_lines(path: Path) -> int:
    """Truncate a file after its last complete line; return how many lines it has."""
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
