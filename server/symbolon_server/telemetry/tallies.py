"""Deferred updates of metrics.

Each update of a metric takes a lock and a microsecond, and a call has ten of them. So a call notes
all its numbers in one step, and they are added to the metrics before these are read.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, Generic, TypeVar

from prometheus_client import Metric
from prometheus_client.registry import Collector

T = TypeVar("T")

MOST_NOTED: Final = 1_000
"""Maximum number of pending notes; the call that exceeds it adds them to the metrics."""


class BeforeReading(Collector):
    """Calls functions whenever the metrics are read. Register it before all metrics.

    Thread-safe. The functions are called without the lock.
    """

    def __init__(self) -> None:
        """Start without functions."""
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []

    def add(self, call: Callable[[], None]) -> None:
        """Call `call` from now on."""
        with self._lock:
            self._calls.append(call)

    def remove(self, call: Callable[[], None]) -> None:
        """Stop calling `call`, if it was added."""
        with self._lock, suppress(ValueError):
            self._calls.remove(call)

    def call_all(self) -> None:
        """Bring the metrics up to date."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call()

    def collect(self) -> Iterable[Metric]:
        """Bring the metrics up to date; return none."""
        self.call_all()
        return ()


class Tally(Generic[T]):
    """Notes of any threads, each added to the metrics once; lock-free, as each step is atomic."""

    def __init__(self, add: Callable[[list[T]], None], before_reading: BeforeReading) -> None:
        """Call `add` with the pending notes `before_reading` the metrics."""
        self._add = add
        self._noted: deque[T] = deque()
        before_reading.add(self.flush)

    def note(self, what: T) -> None:
        """Add a note; it is pending until the metrics are read."""
        self._noted.append(what)
        if len(self._noted) > MOST_NOTED:
            self.flush()

    def flush(self) -> None:
        """Add the pending notes to the metrics."""
        noted = list(self._take())
        if noted:
            self._add(noted)

    def _take(self) -> Iterator[T]:
        """Yield the pending notes, except those that other threads take meanwhile."""
        for _ in range(len(self._noted)):
            try:
                yield self._noted.popleft()
            except IndexError:
                return
