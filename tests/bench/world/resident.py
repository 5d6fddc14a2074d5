"""Resident memory of processes while something runs."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_LOOK_SECONDS = 0.02


class PeakOfWorkers:
    """The most memory that any process below `process_id` had while this was open, in bytes.

    The kernel remembers each process's peak, so that looking now and then is enough.
    """

    def __init__(self, process_id: int) -> None:
        self._root = psutil.Process(process_id)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._known = {child.pid for child in self._root.children(recursive=True)}
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            for child in self._root.children(recursive=True):
                if child.pid not in self._known:
                    self.bytes = max(self.bytes, peak_bytes(child.pid))


def peak_bytes(process_id: int) -> int:
    """Return the most memory that a process ever had; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    except OSError:
        return resident_bytes(process_id)  # no Linux, or gone
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields.get("VmHWM", "0 kB").split()[0]) * 1024


def resident_bytes(process_id: int) -> int:
    """Return the memory that a process has now; 0 when it is gone."""
    try:
        return int(psutil.Process(process_id).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
