"""Signals as events that the main thread waits for."""

import queue
import signal
from types import FrameType, TracebackType
from typing import Self

_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_WATCHED = (*_STOP, signal.SIGCHLD)


class Signals:
    """Collects SIGTERM, SIGINT and SIGCHLD while it is open, for the main thread only.

    A handler does nothing but put the signal into a queue, the one thing that is safe at any
    moment; what is to be done is done where `wait` returns.
    """

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
        self._before = {number: signal.getsignal(number) for number in _WATCHED}

    def __enter__(self) -> Self:
        for number in _WATCHED:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, timeout_seconds: float | None) -> bool:
        """Return after a signal, or after the timeout: whether the process is to stop."""
        try:
            return self._arrived.get(timeout=timeout_seconds) in _STOP
        except queue.Empty:
            return False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.put(signal.Signals(number))
