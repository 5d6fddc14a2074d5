"""The condition of a child program, written by it and read by the process that answers probes.

A program keeps it in a file that both map into memory, as the metrics are kept: writing it costs no
system call, and one that hangs is found out by what it no longer writes.
"""

import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from symbolon_server.telemetry.endpoint import MULTIPROCESS_FOLDER_VARIABLE

PATIENCE_SECONDS: Final = 120.0
"""For how long a beat counts: longer than a resolver takes to give up, the longest wait of all."""

_PREFIX: Final = "pulse_"
_RECORD: Final = struct.Struct("dd")
"""When the last beat stops counting, by the monotonic clock, then the condition. Each is written
in one step."""


class Condition(IntEnum):
    """What a program says of itself, or what its silence says."""

    STARTING = 0
    READY = 1
    WITHOUT_CACHE = 2
    STOPPING = 3
    FAILING = 4
    """A thread that it cannot do without keeps failing."""

    SILENT = 5
    """It runs, and has not beaten in time."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a program last said of itself."""

    counts_until: float
    """By the monotonic clock, which all processes of a machine share."""

    condition: Condition


class Pulse:
    """The beats of this program, for one thread. Forks inherit it and do not write."""

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to a file of this process in `folder`; None: nowhere, as nobody reads it."""
        self._clock = clock
        self._latest = float("inf")
        self._memory: mmap.mmap | bytearray = bytearray(_RECORD.size)
        if folder is not None:
            self._memory = _map(_file_of(folder, os.getpid()))

    @classmethod
    def for_parent(cls) -> "Pulse":
        """Return the pulse that the process that serves our metrics reads, if one does."""
        folder = os.environ.get(MULTIPROCESS_FOLDER_VARIABLE)
        return cls(Path(folder) if folder else None)

    def beat(self, condition: Condition, seconds: float = PATIENCE_SECONDS) -> None:
        """Say that the program works and how; this counts for `seconds`, unless it is limited."""
        until = min(self._clock() + seconds, self._latest)
        _RECORD.pack_into(self._memory, 0, until, float(condition))

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let no beat within the context count for longer than `seconds` from now."""
        self._latest = self._clock() + seconds
        try:
            yield
        finally:
            self._latest = float("inf")


def read_beat(folder: Path, process_id: int) -> Beat | None:
    """Return the last beat of a program, or None if it has not beaten yet."""
    try:
        data = _file_of(folder, process_id).read_bytes()
    except FileNotFoundError:
        return None
    until, condition = _RECORD.unpack(data) if len(data) == _RECORD.size else (0.0, 0.0)
    return Beat(until, Condition(int(condition))) if until else None


def _file_of(folder: Path, process_id: int) -> Path:
    return folder / f"{_PREFIX}{process_id}"


def _map(path: Path) -> mmap.mmap:
    with path.open("w+b") as file:
        file.truncate(_RECORD.size)
        return mmap.mmap(file.fileno(), _RECORD.size)
