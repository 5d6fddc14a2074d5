"""A thread that writes lines while others are made: a write does not hold Python's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from threading import Condition, Thread
from typing import Protocol

_PIECES_AT_ONCE = 1_000
"""One write takes at most 1,024."""

END_OF_BLOCK = None


class TurnLostError(Exception):
    """The turn to write will not come: another process of the run ended before its time."""


class Turns(Protocol):
    """Says when this process may write the next block of lines."""

    def take(self) -> None:
        """Wait for the turn; raise `TurnLostError`."""

    def pass_on(self) -> None:
        """Let the next process write."""


class OnlyWriter:
    """The turns of a process that writes alone."""

    def take(self) -> None:
        """Return at once."""

    def pass_on(self) -> None:
        """Keep the turn."""


class LineWriter:
    """Writes blocks of lines in their order, each in a turn of its own.

    At most about `bytes_ahead` wait to be written.
    """

    def __init__(self, descriptor: int, turns: Turns, bytes_ahead: int) -> None:
        self._descriptor = descriptor
        self._turns = turns
        self._bytes_ahead = bytes_ahead
        self._changed = Condition()
        self._lines: deque[bytes | None] = deque()
        """With `END_OF_BLOCK` after each block."""
        self._bytes = 0
        """Of the lines that are not yet written."""
        self._is_finished = self._ends_run = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="line-writer", daemon=True)
        self._thread.start()

    def write(self, line: bytes, *, ends_block: bool) -> None:
        """Write a line soon; raise the error of an earlier one, an `OSError` or `TurnLostError`."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes <= self._bytes_ahead or self._error)
            self._raise_error()
            self._lines.append(line)
            if ends_block:
                self._lines.append(END_OF_BLOCK)
            self._bytes += len(line)
            self._changed.notify_all()

    def finish(self, *, ends_run: bool = False) -> None:
        """Write all lines; raise as `write` does.

        With `ends_run` it then keeps the turn, once all before it is written.
        """
        with self._changed:
            self._is_finished = True
            self._ends_run = ends_run
            self._changed.notify_all()
        self._thread.join()
        self._raise_error()

    def give_up(self, *, waits: bool) -> None:
        """Write no more lines than those that are being written; wait for these if asked to."""
        with self._changed:
            self._is_finished = True
            self._lines.clear()
            self._changed.notify_all()
        if waits:
            self._thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while self._wait_for_line():
                self._turns.take()
                if self._write_block():
                    self._turns.pass_on()
            if self._ends_run:
                self._turns.take()
        except BaseException as error:  # noqa: BLE001 # raised where lines are made
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write_block(self) -> bool:
        """Write lines up to the end of a block; return false if it has none."""
        while self._wait_for_line():
            pieces, is_end = self._take_pieces()
            _write(self._descriptor, pieces)
            with self._changed:
                self._bytes -= sum(map(len, pieces[::2]))
                self._changed.notify_all()
            if is_end:
                return True
        return False

    def _wait_for_line(self) -> bool:
        """Return whether there is one more."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._is_finished)
            return bool(self._lines)

    def _take_pieces(self) -> tuple[Sequence[bytes], bool]:
        """Return lines and their ends, and whether they end the block."""
        pieces: list[bytes] = []
        with self._changed:
            while self._lines and len(pieces) < _PIECES_AT_ONCE:
                line = self._lines.popleft()
                if line is END_OF_BLOCK:
                    return pieces, True
                pieces += (line, b"\n")  # not line + b"\n", which would copy it
        return pieces, False


def _write(descriptor: int, pieces: Sequence[bytes]) -> None:
    written = os.writev(descriptor, pieces) if hasattr(os, "writev") and pieces else 0
    if written < sum(map(len, pieces)):
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
