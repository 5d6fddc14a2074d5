"""Threads that run until shutdown, and survive unexpected errors."""

import threading
import traceback
from collections.abc import Callable
from typing import Final

from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import THREAD_ERRORS

PAUSE_SECONDS: Final = 1.0
"""After an error, before a thread continues."""

MOST_FAILURES: Final = 10
"""Consecutive; after so many a thread counts as failed, though it keeps trying."""

_log = EventLog(__name__)


class Vitals:
    """The failed parts of a process, which is healthy while there are none.

    Thread-safe. Listeners are called without the lock, and query the state themselves.
    """

    def __init__(self) -> None:
        """Start healthy, without listeners."""
        self._lock = threading.Lock()
        self._lost: set[object] = set()
        self._listeners: list[Callable[[], None]] = []

    def are_sound(self) -> bool:
        """Return whether no part has failed."""
        with self._lock:
            return not self._lost

    def listen(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` after each change from now on."""
        with self._lock:
            self._listeners.append(on_change)

    def lose(self, part: object) -> None:
        """Note that a part failed."""
        with self._lock:
            self._lost.add(part)
        self._notify()

    def recover(self, part: object) -> None:
        """Note that a part works again, if it had failed."""
        with self._lock:
            self._lost.discard(part)
        self._notify()

    def _notify(self) -> None:
        for on_change in self._listeners:
            on_change()


class LastResort:
    """Handles unexpected errors: logs each kind once, and counts all of them.

    Notifies `vitals` when only errors occur, and when that is over. For one thread, or for
    threads that all do the same.
    """

    def __init__(self, thread: str, vitals: Vitals | None = None) -> None:
        """Handle errors of a thread; its name is a label of a metric, so it must be fixed."""
        self._thread = thread
        self._vitals = vitals
        self._errors = THREAD_ERRORS.labels(thread)
        self._logged: set[tuple[str, str, int | None]] = set()
        self._failures = 0

    def run(self, step: Callable[[], object]) -> bool:
        """Run a step; return whether it succeeded."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 # the last resort
            self.note(error)
            return False
        self.note_progress()
        return True

    def note(self, error: BaseException) -> None:
        """Log and count an error."""
        self._errors.inc()
        kind = _kind_of(error)
        if kind not in self._logged:
            self._logged.add(kind)
            _log.error("thread_failed", thread=self._thread, exception=error)
        self._failures += 1
        if self._failures == MOST_FAILURES and self._vitals is not None:
            _log.error("thread_failing", thread=self._thread, failures=self._failures)
            self._vitals.lose(self)

    def note_progress(self) -> None:
        """Note that the thread works."""
        failures, self._failures = self._failures, 0
        if failures >= MOST_FAILURES and self._vitals is not None:
            _log.warning("thread_recovered", thread=self._thread)
            self._vitals.recover(self)


def _kind_of(error: BaseException) -> tuple[str, str, int | None]:
    """Return the error's class and where it was raised; its text may differ each time."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return type(error).__name__, place.filename, place.lineno


class LastingThread:
    """A thread that runs until it is closed, whatever errors occur in it."""

    def __init__(
        self,
        name: str,
        serve: Callable[[], None],
        vitals: Vitals | None = None,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """Call `serve` in the thread, and again after each error; it must check `is_closing`.

        A `serve` that handles its own errors reports progress to `resort`.
        """
        self.is_closing = threading.Event()
        self.resort = LastResort(name, vitals)
        self._serve = serve
        self._vitals = vitals
        self._pause_seconds = pause_seconds
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait for its end."""
        self.is_closing.set()
        self._thread.join()

    def join(self, seconds: float) -> bool:
        """Wait for its end, once `is_closing` is set; return whether it ended in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self.resort.run(self._serve):
                if self.is_closing.wait(self._pause_seconds):
                    return
        except BaseException as error:  # noqa: BLE001 # such as SystemExit: the thread ends
            self.resort.note(error)
            if self._vitals is not None:
                self._vitals.lose(self)
