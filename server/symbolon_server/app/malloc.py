"""Memory that calls have freed: kept while calls follow each other, given back when it is quiet."""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any, Final

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Names of glibc's `mallopt`, from `malloc.h`."""

_SETTINGS: Final = {
    _ARENA_MAX: 1,
    _MMAP_MAX: 0,
    _TRIM_THRESHOLD: -1,
}
"""One heap for all threads, which holds large pieces too and never becomes smaller by itself.

Else glibc maps each large piece anew and has the kernel fill its pages with zeros, which cost a
call of 20,000 frames a third of its time; and of the heaps that it makes for further threads
`malloc_trim` gives nothing back at their ends.
"""

_LOOK_SECONDS: Final = 1.0
_QUIET_SECONDS: Final = 0.5
"""A second with less processor time is quiet: a call has time for what it costs it to get memory
anew."""

_NOTHING_SECONDS: Final = 0.02
"""The processor time in which nothing worth a look is freed; an idle server takes it in many
seconds."""

_MOST_LOOKS: Final = 10


def keep_freed_memory() -> None:
    """Keep what is freed for what comes next; elsewhere than with glibc, do nothing.

    To be called before there is a second thread, so before numpy is imported: else that one has a
    heap of its own by then, and further threads share it.
    """
    mallopt = _find("mallopt")
    if mallopt is not None:
        for name, value in _SETTINGS.items():
            mallopt(name, value)


class FreedMemory:
    """Gives back what `keep_freed_memory` keeps, in a thread of its own."""

    def __init__(self) -> None:
        """Do nothing yet."""
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="freed-memory", daemon=True)

    def start(self) -> None:
        """Look once a second from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more, and wait for the thread's end."""
        self._is_closing.set()
        self._thread.join()

    def _watch(self) -> None:
        give_back, times = _find("malloc_trim"), GivingTimes()
        while give_back is not None and not self._is_closing.wait(_LOOK_SECONDS):
            if times.is_due(time.process_time()):
                give_back(0)


class GivingTimes:
    """Tells when to give memory back: soon after a load has ended, and seldom during it.

    What is given back and wanted again costs the next calls up to a tenth of a second.
    """

    def __init__(self) -> None:
        """Nothing was given back yet."""
        self._looked_at = self._given_at = 0.0
        self._looks = 0

    def is_due(self, processor_seconds: float) -> bool:
        """Return whether to give memory back now; to be asked once a second.

        `processor_seconds` is what the process has used so far.
        """
        used = processor_seconds - self._looked_at
        self._looked_at = processor_seconds
        self._looks += 1
        if processor_seconds - self._given_at < _NOTHING_SECONDS:
            return False
        if used > _QUIET_SECONDS and self._looks < _MOST_LOOKS:
            return False
        self._given_at, self._looks = processor_seconds, 0
        return True


def _find(name: str) -> Callable[..., Any] | None:
    """Return a function of glibc, None where the C library has no such function."""
    try:
        found: Callable[..., Any] | None = getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # no library of the program itself, as on Windows
        return None
    return found
