"""Where answers go: standard output, or a file that a later run resumes."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import NoReturn, Protocol, Self

from symbolon.command_line.showing.line_writer import LineWriter, Turns
from symbolon.errors import InvalidReportError

_PIECE_BYTES = 1 << 20

_BYTES_AHEAD = 2_000_000
"""How much may queue up in a process while its thread writes, or waits for its turn."""


class Output(Protocol):
    """Accepts complete lines."""

    def write(self, line: bytes, *, ends_block: bool) -> None:
        """Write a line, without its end."""

    def finish(self, *, ends_run: bool = False) -> None:
        """Return when all lines are written; with `ends_run` other processes write no more."""


class StandardOutput:
    """Lines on standard output, written at once."""

    def write(self, line: bytes, *, ends_block: bool) -> None:  # noqa: ARG002 # for other outputs
        """Write a line."""
        sys.stdout.write(line.decode() + "\n")

    def finish(self, *, ends_run: bool = False) -> None:
        """Return at once."""


class ThreadedOutput:
    """Lines written by a thread, in turns with other processes; errors name the output."""

    def __init__(self, destination: Destination, turns: Turns) -> None:
        self._destination = destination
        self._lines = LineWriter(destination.descriptor, turns, _BYTES_AHEAD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that writes to a pipe which nobody reads would never end.
        self._lines.give_up(waits=self._destination.is_file)

    def write(self, line: bytes, *, ends_block: bool) -> None:
        """Write a line soon; raise `InvalidReportError`, `TurnLostError` or `BrokenPipeError`."""
        try:
            self._lines.write(line, ends_block=ends_block)
        except OSError as error:
            self._fail(error)

    def finish(self, *, ends_run: bool = False) -> None:
        """Return when all lines are written; raise as `write` does."""
        try:
            self._lines.finish(ends_run=ends_run)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> NoReturn:
        if isinstance(error, BrokenPipeError):
            raise error
        raise _explain(self._destination.name, error) from error


@dataclass(frozen=True, slots=True)
class Destination:
    """An open output that several processes may write, in turns."""

    descriptor: int
    name: str
    lines: int = 0
    """How many lines it had when it was opened."""

    is_file: bool = False

    def open(self, turns: Turns) -> ThreadedOutput:
        """Return the output of one process."""
        return ThreadedOutput(self, turns)


@contextmanager
def open_file(path: Path) -> Iterator[Destination]:
    """Open a file to append to; raise `InvalidReportError` if it cannot be written.

    An incomplete last line, of a run that was killed, is removed. While another run writes the
    file, this waits.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("a+b", buffering=0))
            _lock(file, path)
            lines = _keep_whole_lines(file)
        except OSError as error:
            raise _explain(str(path), error) from error
        yield Destination(file.fileno(), str(path), lines, is_file=True)


def find_standard_output() -> Destination | None:
    """Return standard output; `None` if only `StandardOutput` can write it: a terminal, say."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError):  # replaced by something without one
        return None
    if sys.stdout.isatty() or codecs.lookup(sys.stdout.encoding).name != "utf-8":
        return None
    sys.stdout.flush()
    return Destination(descriptor, "standard output")


def _explain(name: str, error: OSError) -> InvalidReportError:
    return InvalidReportError(f"cannot write {name}: {error.strerror}")


def _lock(file: FileIO, path: Path) -> None:
    """Wait until no process of another run has the file open.

    All processes of a run share the lock: one that outlives a killed run for a moment has it still.
    """
    try:
        import fcntl  # noqa: PLC0415 # Windows has none
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"symbolon: waits for another run that writes {path}", file=sys.stderr)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        return


def _keep_whole_lines(file: FileIO) -> int:
    """Truncate a file after its last complete line; return how many lines it has."""
    lines = position = end = 0
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        lines += piece.count(b"\n")
        last = piece.rfind(b"\n")
        end = position + last + 1 if last >= 0 else end
        position += len(piece)
    file.truncate(end)
    return lines
