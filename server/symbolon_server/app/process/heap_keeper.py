"""Returns free heap memory to the system once a serving process is quiet."""

import time
from typing import Final

from symbolon_server.app.process.malloc import find_in_libc
from symbolon_server.telemetry.lasting_threads import LastingThread, Vitals

_KEPT_BYTES: Final = 32 << 20
_KEPT_SHARE: Final = 8
"""An eighth of the memory limit, at most 32 MiB, stays at the end of the heap for the next call."""

_LOOK_SECONDS: Final = 1.0

_QUIET_SECONDS: Final = 0.5
"""A second with less processor time is quiet: calls can afford to get memory anew."""

_NOTHING_SECONDS: Final = 0.02
"""Processor time in which too little is freed to be worth a look."""

_MOST_LOOKS: Final = 10


class HeapKeeper:
    """Trims the heap from a thread of its own."""

    def __init__(self, memory_bytes: int, vitals: Vitals | None = None) -> None:
        """Prepare to trim the heap of a process with this memory limit."""
        self._kept_bytes = min(_KEPT_BYTES, memory_bytes // _KEPT_SHARE)
        self._thread = LastingThread("heap-keeper", self._keep, vitals)

    def start(self) -> None:
        """Look once a second from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking, and wait until the thread has ended."""
        self._thread.close()

    def _keep(self) -> None:
        trim = find_in_libc("malloc_trim")
        if trim is None:
            return
        times = TrimTimes()
        while not self._thread.is_closing.wait(_LOOK_SECONDS):
            self._thread.resort.note_progress()
            if times.is_due(time.process_time()):
                trim(self._kept_bytes)


class TrimTimes:
    """Decides when to trim: soon after a load has ended, and seldom during it.

    Memory that is returned and needed again costs the next calls up to a tenth of a second.
    """

    def __init__(self) -> None:
        self._looked_at = self._trimmed_at = 0.0
        self._looks = 0

    def is_due(self, processor_seconds: float) -> bool:
        """Return whether to trim now; to be asked once a second.

        `processor_seconds` is what the process has used so far.
        """
        used = processor_seconds - self._looked_at
        self._looked_at = processor_seconds
        self._looks += 1
        if processor_seconds - self._trimmed_at < _NOTHING_SECONDS:
            return False
        if used > _QUIET_SECONDS and self._looks < _MOST_LOOKS:
            return False
        self._trimmed_at, self._looks = processor_seconds, 0
        return True
