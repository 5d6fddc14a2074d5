"""Which symbol files a server is fetching, on standard error, while a command waits for it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any

from symbolon.client import Client
from symbolon.command_line.showing.progress import SECONDS_BETWEEN_CHANGES, SECONDS_BETWEEN_LINES
from symbolon.errors import SymbolonError
from symbolon.reports import Module
from symbolon.results import Queue
from symbolon.text import make_printable, name_module

_ASK_SECONDS = 2.0
"""Timeout of asking for the queue: the next look asks again."""


class FetchLine:
    """One line that is overwritten; where that is not possible, one for each file and ten seconds.

    It is there only within `waiting`: the answers may be printed to the same terminal.
    """

    def __init__(self, *, stays: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._stays = stays
        self._clock = clock
        self._lock = Lock()
        self._is_waiting = False
        self._drawn = ""
        self._module: Module | None = None
        self._printed = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let the line be drawn within the context."""
        with self._lock:
            self._is_waiting = True
        try:
            yield
        finally:
            with self._lock:
                self._is_waiting = False
                self._draw("")

    def show(self, queue: Queue) -> None:
        """Show the module that has been ingested for longest, and how many are left."""
        with self._lock:
            if not self._is_waiting:
                return
            if not queue.running:
                self._draw("")
            elif self._is_due(queue.running[0].module):
                self._draw(_describe(queue))

    def _is_due(self, module: Module) -> bool:
        """Return whether to print now: a line that stays is not repeated often."""
        now = self._clock()
        if self._stays and module == self._module and now - self._printed < SECONDS_BETWEEN_LINES:
            return False
        self._module, self._printed = module, now
        return True

    def _draw(self, text: str) -> None:
        if self._stays:
            sys.stderr.write(f"{text}\n" if text else "")
        elif text != self._drawn:
            # A line that the terminal wraps could not be overwritten.
            columns = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[2K{text[: columns - 1]}")
        self._drawn = text
        sys.stderr.flush()


def _describe(queue: Queue) -> str:
    running = queue.running[0]
    seconds = "" if running.seconds is None else f", {running.seconds:.0f} s"
    left = queue.awaited + queue.wanted + queue.prefetches + queue.total_running - 1
    more = f", {left:,} more to fetch" if left else ""
    return f"fetching {make_printable(name_module(running.module))}{seconds}{more}"


class WatchingClient(Client):
    """A client that shows which symbol files its server fetches, while it waits for results.

    For a server that no one else uses: it shows whatever is ingested.
    """

    def __init__(self, target: str, *, timeout: float, is_shown: bool | None) -> None:
        """`is_shown` says whether to show it; `None`: only on a terminal."""
        super().__init__(target, timeout=timeout)
        is_terminal = sys.stderr.isatty()
        self._line = FetchLine(stays=not is_terminal)
        self._is_shown = is_terminal if is_shown is None else is_shown
        self._ended = Event()
        self._watching = Thread(target=self._watch, name="fetches", daemon=True)

    def close(self) -> None:
        """Close the connection, after the last look."""
        self._ended.set()
        if self._watching.is_alive():
            self._watching.join()
        super().close()

    def symbolicate_many(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        """As in `Client`."""
        if self._is_shown and not self._watching.is_alive():
            self._watching.start()
        results = super().symbolicate_many(*arguments, **named)
        while True:
            with self._line.waiting():
                result = next(results, None)
            if result is None:
                return
            yield result

    def _watch(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_CHANGES):
            with suppress(SymbolonError):
                self._line.show(self.get_queue(timeout=_ASK_SECONDS))
