"""The heap of a serving process: freed memory is kept for the next call, and trimmed when quiet."""

import ctypes
import time
from typing import Any, Final

from symbolon_server.telemetry.lasting_threads import LastingThread, Vitals

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Parameters of glibc's `mallopt`, from `malloc.h`."""

_SETTINGS: Final = {
    _ARENA_MAX: 1,
    _MMAP_MAX: 0,
    _TRIM_THRESHOLD: -1,
}
"""One heap for all threads, which also holds large blocks and never shrinks by itself.

By default glibc maps each large block anew, and the kernel fills its pages with zeros: a third of
the time of a call with 20,000 frames. `malloc_trim` does not trim the heaps of other threads.
"""

_KEPT_BYTES: Final = 32 << 20
_KEPT_SHARE: Final = 8
"""An eighth of the memory limit, at most 32 MiB, stays at the end of the heap for the next call."""

_CHECK_SECONDS: Final = 1.0

_QUIET_SECONDS: Final = 0.5
"""A second with less processor time is quiet: calls can afford page faults."""

_IDLE_SECONDS: Final = 0.02
"""Processor time in which too little is freed to be worth trimming."""

_MOST_CHECKS: Final = 10


def keep_freed_memory() -> None:
    """Keep freed memory for later use; without glibc, do nothing.

    Call this before a second thread starts, so before numpy is imported. Otherwise that thread
    gets a heap of its own, which later threads share.
    """
    mallopt = find_in_libc("mallopt")
    if mallopt is not None:
        for name, value in _SETTINGS.items():
            mallopt(name, value)


def find_in_libc(name: str) -> Any | None:
    """Return a function of the C library from ctypes, or None if there is no such function.

    Other threads run while it is called.
    """
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # no library of the program itself, as on Windows
        return None


class HeapKeeper:
    """Trims the heap in a thread of its own."""

    def __init__(self, memory_bytes: int, vitals: Vitals | None = None) -> None:
        """Prepare for a process with this memory limit."""
        self._kept_bytes = min(_KEPT_BYTES, memory_bytes // _KEPT_SHARE)
        self._thread = LastingThread("heap-keeper", self._keep, vitals)

    def start(self) -> None:
        """Start the thread, which checks once a second."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and wait for its end."""
        self._thread.close()

    def _keep(self) -> None:
        trim = find_in_libc("malloc_trim")
        if trim is None:
            return
        times = TrimTimes()
        while not self._thread.is_closing.wait(_CHECK_SECONDS):
            self._thread.resort.note_progress()
            if times.is_due(time.process_time()):
                trim(self._kept_bytes)


class TrimTimes:
    """Decides when to trim: soon after a load has ended, and rarely during it.

    If trimmed memory is needed again, the next calls take up to a tenth of a second longer.
    """

    def __init__(self) -> None:
        self._checked_at = self._trimmed_at = 0.0
        self._checks = 0

    def is_due(self, processor_seconds: float) -> bool:
        """Return whether to trim now; call this once a second.

        `processor_seconds` is the processor time of the process so far.
        """
        used = processor_seconds - self._checked_at
        self._checked_at = processor_seconds
        self._checks += 1
        if processor_seconds - self._trimmed_at < _IDLE_SECONDS:
            return False
        if used > _QUIET_SECONDS and self._checks < _MOST_CHECKS:
            return False
        self._trimmed_at, self._checks = processor_seconds, 0
        return True
