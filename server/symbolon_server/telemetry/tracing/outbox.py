"""Ended spans that wait to be sent."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Protocol

from symbolon_server.telemetry.lasting_threads import LastingThread
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import SPANS
from symbolon_server.telemetry.tracing.spans import EndedSpan

MOST_WAITING: Final = 4_096
"""Spans, some 2 MB; those that end while so many wait are lost."""

BATCH: Final = 512
"""Spans sent at a time."""

SEND_SECONDS: Final = 2.0
"""How long spans wait for others."""

CLOSE_SECONDS: Final = 2.0
"""How long a program that ends tries to send its last spans."""

PAUSE_SECONDS: Final = 10.0
"""After a failure, how long the collector is left alone."""

_SENT, _LOST = SPANS.labels("sent"), SPANS.labels("lost")
_log = EventLog(__name__)


class Sent(Enum):
    """What became of spans that were sent."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Sending them again would not help."""

    UNREACHED = "unreached"
    """The collector does not answer, or has no room now."""


class Exporter(Protocol):
    """Sends spans to a collector."""

    def send(self, spans: Sequence[EndedSpan]) -> Sent:
        """Return what became of them, in limited time; never raises for the collector's sake."""


class Outbox:
    """Keeps ended spans until they are sent: about `MOST_WAITING` at most.

    Any thread may add; one at a time sends. Each step on the deque is atomic, so there is no lock.
    """

    def __init__(self, exporter: Exporter, clock: Callable[[], float] = time.monotonic) -> None:
        """Send with `exporter`."""
        self._exporter = exporter
        self._clock = clock
        self._waiting: deque[EndedSpan] = deque()
        self._paused_until = 0.0
        self._is_failing = False
        self.batch_is_full = threading.Event()
        """Set when a batch is complete."""

    def add(self, span: EndedSpan) -> None:
        """Keep a span, or lose it if there is no room."""
        count = len(self._waiting)
        if count >= MOST_WAITING:
            _LOST.inc()
            return
        self._waiting.append(span)
        if count + 1 == BATCH:
            self.batch_is_full.set()

    def has_batch(self) -> bool:
        """Return whether enough spans wait that sending them should not wait any longer."""
        return len(self._waiting) >= BATCH

    def send(self) -> None:
        """Send what waits, unless the collector failed a moment ago."""
        while self._waiting and self._clock() >= self._paused_until and self._send_batch():
            pass

    def send_last(self) -> None:
        """Send what waits, for at most `CLOSE_SECONDS` besides the last request; lose the rest."""
        deadline = self._clock() + CLOSE_SECONDS
        while self._waiting and self._clock() < deadline and self._send_batch():
            pass
        self.lose_all()

    def lose_all(self) -> None:
        """Count what still waits as lost."""
        _LOST.inc(len(self._waiting))
        self._waiting.clear()

    def _send_batch(self) -> bool:
        """Send some spans; return whether there may be more."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            sent = self._exporter.send(batch)
        except Exception:
            _LOST.inc(len(batch))
            raise
        if sent is Sent.TAKEN:
            _SENT.inc(len(batch))
        elif sent is Sent.REFUSED:
            _LOST.inc(len(batch))
        else:
            self._waiting.extendleft(reversed(batch))
        self._note(is_failing=sent is not Sent.TAKEN)
        return sent is Sent.TAKEN

    def _note(self, *, is_failing: bool) -> None:
        """Leave a collector that failed alone for a while, and log when that begins and ends."""
        if is_failing:
            self._paused_until = self._clock() + PAUSE_SECONDS
        if is_failing and not self._is_failing:
            _log.warning("collector_lost")
        elif self._is_failing and not is_failing:
            _log.info("collector_back")
        self._is_failing = is_failing


class SendingThread:
    """Sends the spans of a program with threads."""

    def __init__(self, outbox: Outbox) -> None:
        """Send what `outbox` gets once this is started."""
        self._outbox = outbox
        self._thread = LastingThread("spans", self._send)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Send what still waits, for at most `CLOSE_SECONDS`, and end the thread."""
        self._thread.is_closing.set()
        self._outbox.batch_is_full.set()
        if not self._thread.join(CLOSE_SECONDS):  # it waits for the collector, and ends with us
            self._outbox.lose_all()

    def _send(self) -> None:
        while not self._thread.is_closing.is_set():
            self._outbox.batch_is_full.wait(SEND_SECONDS)
            self._outbox.batch_is_full.clear()
            if not self._thread.is_closing.is_set():
                self._outbox.send()
                self._thread.resort.note_progress()
        self._outbox.send_last()
