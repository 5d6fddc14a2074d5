"""The heap of a serving process: new memory is ready, what is free goes back when it is quiet."""

import time
from typing import Final

from symbolon_server.app.process.malloc import find_in_libc
from symbolon_server.app.process.ready_memory import ReadyMemory
from symbolon_server.telemetry.lasting_threads import LastingThread, Vitals

_MOST_READY: Final = 32 << 20
_READY_SHARE: Final = 8
"""An eighth of what a process may hold is ready, up to 32 MiB: as much as eleven first calls for 20
modules take."""

_LOOK_SECONDS: Final = 0.25
_LOOKS_A_SECOND: Final = 4
"""Of those, one a second is for giving back."""

_QUIET_SECONDS: Final = 0.5
"""A second with less processor time is quiet: a call has time for what it costs it to get memory
anew."""

_NOTHING_SECONDS: Final = 0.02
"""The processor time in which nothing worth a look is taken or freed; an idle server takes it in
many seconds."""

_MOST_LOOKS: Final = 10


class HeapKeeper:
    """Keeps the heap in a thread of its own."""

    def __init__(self, memory_bytes: int, vitals: Vitals | None = None) -> None:
        """Keep the heap of a process that may hold so much; do nothing yet."""
        self._ready_bytes = min(_MOST_READY, memory_bytes // _READY_SHARE)
        self._thread = LastingThread("heap-keeper", self._keep, vitals)

    def start(self) -> None:
        """Look four times a second from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more, and wait for the thread's end."""
        self._thread.close()

    def _keep(self) -> None:
        trim = find_in_libc("malloc_trim")
        if trim is None:
            return
        ready, times, made_at = ReadyMemory(self._ready_bytes), GivingTimes(), float("-inf")
        looks = 0
        while True:
            if time.process_time() - made_at >= _NOTHING_SECONDS:
                ready.make_ready()
                made_at = time.process_time()
            if self._thread.is_closing.wait(_LOOK_SECONDS):
                return
            self._thread.resort.note_progress()
            looks += 1
            if looks % _LOOKS_A_SECOND == 0 and times.is_due(time.process_time()):
                trim(self._ready_bytes)


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
