"""What calls note for the metrics, and the moment at which it is added to them.

A metric takes a lock and a microsecond for each number, and a call has ten of them. So a call
notes them all in one step, and they are added up when somebody reads the metrics.
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
"""Notes that wait at most; who notes one more adds them up."""


class BeforeReading(Collector):
    """Calls functions whenever the metrics are read; to be registered before all metrics.

    One lock guards the list of functions; they are called without it.
    """

    def __init__(self) -> None:
        """Call nobody yet."""
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []

    def add(self, call: Callable[[], None]) -> None:
        """Call `call` from now on."""
        with self._lock:
            self._calls.append(call)

    def remove(self, call: Callable[[], None]) -> None:
        """Call `call` no more, if it was called."""
        with self._lock, suppress(ValueError):
            self._calls.remove(call)

    def call_all(self) -> None:
        """Bring the metrics up to date."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call()

    def collect(self) -> Iterable[Metric]:
        """Bring the metrics up to date; there is none here."""
        self.call_all()
        return ()


class Tally(Generic[T]):
    """Notes of any threads, each added to the metrics once; no lock, as each step is one."""

    def __init__(self, add: Callable[[list[T]], None], before_reading: BeforeReading) -> None:
        """Have `add` add notes to the metrics `before_reading` them."""
        self._add = add
        self._noted: deque[T] = deque()
        before_reading.add(self.flush)

    def note(self, what: T) -> None:
        """Keep `what` until the metrics are read."""
        self._noted.append(what)
        if len(self._noted) > MOST_NOTED:
            self.flush()

    def flush(self) -> None:
        """Add to the metrics what was noted until now."""
        noted = list(self._take())
        if noted:
            self._add(noted)

    def _take(self) -> Iterator[T]:
        """Yield what was noted until now, but for what other threads take meanwhile."""
        for _ in range(len(self._noted)):
            try:
                yield self._noted.popleft()
            except IndexError:
                return
