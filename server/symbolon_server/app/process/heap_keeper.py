"""Trims the heap of a serving process when it is quiet."""

import time
from typing import Final

from symbolon_server.app.process.heap import find_in_libc
from symbolon_server.telemetry.lasting_threads import LastingThread, Vitals

_KEPT_BYTES: Final = 32 << 20
_KEPT_SHARE: Final = 8
"""An eighth of the memory limit, at most 32 MiB, stays at the end of the heap for the next call."""

_CHECK_SECONDS: Final = 1.0

_QUIET_SECONDS: Final = 0.5
"""A second with less processor time is quiet: calls can afford page faults."""

_IDLE_SECONDS: Final = 0.02
"""Processor time in which too little is freed to be worth trimming."""

_MOST_CHECKS: Final = 10


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
