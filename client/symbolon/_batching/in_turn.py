"""The calls of one batch, a few at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from symbolon._calling.options import CALLS_IN_FLIGHT
from symbolon._messages.raw_messages import RawRequest


class CallsInTurn:
    """Starts some calls at once, and each other when one has ended; all have the same deadline.

    A report of 200,000 frames is a hundred calls: at once they would take all threads of a server,
    and its other callers would wait for the whole report.
    """

    def __init__(
        self,
        requests: Sequence[RawRequest],
        start: Callable[[RawRequest, float], Any],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start` starts a call with its timeout in seconds, and returns its future."""
        self._left = iter(requests)
        self._start = start
        self._clock = clock
        self._until = clock() + timeout
        self._started: deque[Any] = deque()
        self._start_next(CALLS_IN_FLIGHT)

    def __len__(self) -> int:
        """Return the number of calls in flight."""
        return len(self._started)

    def futures(self) -> Iterator[Any]:
        """Yield the future of each call in turn; go on when it has ended."""
        while self._started:
            yield self._started[0]
            self._started.popleft()
            self._start_next(1)

    def cancel(self) -> None:
        """Cancel the calls in flight."""
        for future in self._started:
            future.cancel()

    def _start_next(self, count: int) -> None:
        for request in islice(self._left, count):
            left = max(0.0, self._until - self._clock())
            self._started.append(self._start(request, left))
