"""Signals that end a command, as exceptions where these leave nothing half done."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from symbolon_server.telemetry.ignored_signals import IGNORED

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_BASE_CODE = 128
"""Shells add the number of a signal to it."""


def _find_nothing() -> None:
    return None


class Interruptions:
    """Signals while it is open, for the main thread only.

    SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt` within `allowed`, at once or when it is
    entered, and nowhere else: what is being started or stopped is finished first. Those that were
    ignored stay so, as under nohup. SIGUSR1 and SIGUSR2 are ignored.
    """

    def __init__(self) -> None:
        self.find_trouble: Callable[[], Exception | None] = _find_nothing
        """Returns what is wrong; asked when a child has ended, and raised within `allowed`."""

        self._first: int | None = None
        self._is_allowed = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _STOP:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._interrupt)
        for number in IGNORED:
            self._before[number] = signal.signal(number, signal.SIG_IGN)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._look)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int | None:
        """The exit code of a command that a signal has ended; None without such a signal."""
        return None if self._first is None else _BASE_CODE + self._first

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let signals raise within the context."""
        self._is_allowed = True
        try:
            if self._first is not None:
                raise KeyboardInterrupt
            self._look()
            yield
        finally:
            self._is_allowed = False

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        if self._first is None:
            self._first = number
        if self._is_allowed:
            raise KeyboardInterrupt

    def _look(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        if self._is_allowed and (trouble := self.find_trouble()) is not None:
            raise trouble
