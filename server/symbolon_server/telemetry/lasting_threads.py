"""Threads that serve for ever, and what becomes of an error in them that nobody expected."""

import threading
import traceback
from collections.abc import Callable
from typing import Final

from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import THREAD_ERRORS

PAUSE_SECONDS: Final = 1.0
"""After an error, before a thread goes on."""

MOST_FAILURES: Final = 10
"""In a row; after so many a thread counts as one that cannot go on, though it still tries."""

_log = EventLog(__name__)


class Vitals:
    """Which parts of a process cannot go on; a process serves while there are none.

    One lock guards them. Listeners are called without it, and look for themselves.
    """

    def __init__(self) -> None:
        """All is well, and nobody listens."""
        self._lock = threading.Lock()
        self._lost: set[object] = set()
        self._listeners: list[Callable[[], None]] = []

    def are_sound(self) -> bool:
        """Tell whether all parts can go on."""
        with self._lock:
            return not self._lost

    def listen(self, on_change: Callable[[], None]) -> None:
        """Have `on_change` called after each change from now on."""
        with self._lock:
            self._listeners.append(on_change)

    def lose(self, part: object) -> None:
        """Note that a part cannot go on."""
        with self._lock:
            self._lost.add(part)
        self._tell()

    def recover(self, part: object) -> None:
        """Note that a part goes on again, if it was lost."""
        with self._lock:
            self._lost.discard(part)
        self._tell()

    def _tell(self) -> None:
        for on_change in self._listeners:
            on_change()


class LastResort:
    """Takes the errors that nobody expected: logs each kind once, and counts all of them.

    Where there are `Vitals`, they are told when nothing but errors comes any more, and when that
    is over. For one thread, or for threads that all do the same.
    """

    def __init__(self, thread: str, vitals: Vitals | None = None) -> None:
        """Take errors of the thread of this name, a fixed text: it is a metric's label."""
        self._thread = thread
        self._vitals = vitals
        self._errors = THREAD_ERRORS.labels(thread)
        self._logged: set[tuple[str, str, int | None]] = set()
        self._failures = 0

    def run(self, step: Callable[[], object]) -> bool:
        """Return whether a step came to its end."""
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
            _log.error("thread_cannot_go_on", thread=self._thread, failures=self._failures)
            self._vitals.lose(self)

    def note_progress(self) -> None:
        """Note that the thread does what it is for."""
        failures, self._failures = self._failures, 0
        if failures >= MOST_FAILURES and self._vitals is not None:
            _log.warning("thread_goes_on", thread=self._thread)
            self._vitals.recover(self)


def _kind_of(error: BaseException) -> tuple[str, str, int | None]:
    """Return the error's class and where it was raised; what it says may be another each time."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return type(error).__name__, place.filename, place.lineno


class LastingThread:
    """A thread that serves until it is closed, whatever is raised in it."""

    def __init__(
        self,
        name: str,
        serve: Callable[[], None],
        vitals: Vitals | None = None,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """Have `serve` called in the thread, again after each error; it looks at `is_closing`.

        A `serve` that is in trouble says through `resort` that it gets on all the same.
        """
        self.is_closing = threading.Event()
        self.resort = LastResort(name, vitals)
        self._serve = serve
        self._vitals = vitals
        self._pause_seconds = pause_seconds
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Ask for the thread's end and wait for it."""
        self.is_closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self.resort.run(self._serve):
                if self.is_closing.wait(self._pause_seconds):
                    return
        except BaseException as error:  # noqa: BLE001 # such as SystemExit: nothing serves any more
            self.resort.note(error)
            if self._vitals is not None:
                self._vitals.lose(self)
