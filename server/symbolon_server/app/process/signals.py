"""Signals as events that the main thread waits for."""

import os
import select
import signal
from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from types import FrameType
from typing import Final, Self

from symbolon_server.telemetry.ignored_signals import HARMLESS, IGNORED, log_ignored

_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
STOP_NEAR: Final = signal.SIGRTMIN
"""Sent by a program to a child that it will soon stop."""

_WATCHED = (*_STOP, signal.SIGCHLD, STOP_NEAR, *HARMLESS)

ON_TERMINAL: Final = _STOP | {signal.SIGHUP}
"""What stops a command that a person waits for: SIGHUP says that the terminal is closed."""

_READ_BYTES: Final = 4096


class Signals:
    """Collects signals while it is open, for the main thread only.

    SIGTERM and SIGINT stop the process, SIGHUP reloads files unless it stops, too, and SIGCHLD
    wakes it to check its children; `STOP_NEAR` prepares it; SIGUSR1 and SIGUSR2 are ignored.

    The interpreter's own handler writes the number of the signal into a pipe, in any thread;
    `wait` reads the pipe. A Python handler would only run in the main thread, which a signal to
    another thread does not wake.
    """

    def __init__(self, stop: Collection[int] = _STOP) -> None:
        """Stop on the signals `stop`."""
        self._stop = stop
        self.stopped_by: int | None = None
        """The signal that stopped the process, or None."""

        self.on_hang_up: Callable[[], None] = partial(log_ignored, signal.SIGHUP)
        """What `wait` calls after SIGHUP."""

        self.on_stop_near: Callable[[], None] = lambda: None
        """What `wait` calls after `STOP_NEAR`."""

        self._arrived: deque[int] = deque()
        self._before = {number: signal.getsignal(number) for number in _WATCHED}

    def __enter__(self) -> Self:
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in _WATCHED:
            signal.signal(number, _do_nothing)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._write_end)
        os.close(self._read_end)

    def wait(self, timeout_seconds: float | None) -> bool:
        """Wait for a signal or the timeout; return whether the process is to stop."""
        if not self._arrived:
            ready, _, _ = select.select([self._read_end], [], [], timeout_seconds)
            if not ready:
                return False
            self._arrived += os.read(self._read_end, _READ_BYTES)
        number = self._arrived.popleft()
        if number in self._stop:
            self.stopped_by = number
            return True
        if number == signal.SIGHUP:
            self.on_hang_up()
        elif number == STOP_NEAR:
            self.on_stop_near()
        elif number in IGNORED:
            log_ignored(number)
        return False


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Exist, so that the interpreter writes into the pipe."""
