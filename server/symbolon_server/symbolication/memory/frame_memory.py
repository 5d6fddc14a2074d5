"""Whole frames as they were answered, to be answered again by joining bytes."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from weakref import WeakValueDictionary

from symbolon_server.symbolication.memory.aging import AgingCounts
from symbolon_server.symbolication.memory.answer_columns import AnswerColumns

ENTRY_BYTES: Final = 200
"""The overhead of a dictionary entry, without the bytes of its key and value."""

_COLUMNS_PART: Final = 8
"""One byte of so many is for columns: room for all young frames of 700 bytes, as C++ has them."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class FrameTable:
    """The remembered frames of one generation of a module, by how they were asked.

    Calls read `young` without a lock: each read of a dictionary is one step to other threads.
    Everything else is the `FrameMemory`'s.
    """

    number: int
    """No other table of the process has it, or ever had."""

    young: dict[bytes, bytes] = field(default_factory=dict)
    """From the encoded `symbolon.v1.Frame` without its module index to the encoded answer."""

    old: dict[bytes, bytes] = field(default_factory=dict)


class FrameMemory:
    """All remembered frames, at most `max_bytes` of them.

    The tables age together: when the young halves are full they become the old ones, and what
    was not used since the last time is forgotten. The tables are written under one lock.

    A table lives as long as somebody holds it, empty or not: a module that found its table gone
    after a quiet time would recall from one table what is remembered in another.
    """

    def __init__(self, max_bytes: int) -> None:
        """Remember nothing yet."""
        columns_bytes = max_bytes // _COLUMNS_PART
        self._max_bytes = max_bytes - columns_bytes
        self.columns = AnswerColumns(columns_bytes)
        """The young frames that large requests asked for."""

        self._numbers = count(1)
        self._lock = threading.Lock()
        self._tables: WeakValueDictionary[str, FrameTable] = WeakValueDictionary()
        self._young_bytes = 0
        self._old_bytes = 0
        self._counting = threading.Lock()
        self._hits = 0
        self._misses = 0

    def table(self, generation: str) -> FrameTable:
        """Return the table of a generation, which no two modules share."""
        with self._lock:
            table = self._tables.get(generation)
            if table is None:
                table = self._tables[generation] = FrameTable(next(self._numbers))
            return table

    def put_many(self, table: FrameTable, frames: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember `frames`, pairs of how they were asked and how they were answered."""
        with self._lock:
            for asked, answered in frames:
                if asked not in table.young:
                    self._make_room(len(asked) + len(answered) + ENTRY_BYTES)
                    table.young[asked] = answered

    def recall_old(self, table: FrameTable, asked: bytes) -> bytes | None:
        """Return a frame of the old half, which makes it young, or None."""
        answered = table.old.get(asked)
        if answered is not None:
            self.put_many(table, [(asked, answered)])
        return answered

    def count(self, hits: int, misses: int) -> None:
        """Count frames that were recalled and that were not.

        Each call does, so it has a lock of its own: it never waits for one that writes.
        """
        with self._counting:
            self._hits += hits
            self._misses += misses

    def counts(self) -> AgingCounts:
        """Return what is remembered and how it served."""
        with self._counting:
            hits, misses = self._hits, self._misses
        with self._lock:
            entries = sum(len(table.young) + len(table.old) for table in self._tables.values())
            stored_bytes = self._young_bytes + self._old_bytes
        return AgingCounts(entries, stored_bytes, self._max_bytes, hits, misses)

    def _make_room(self, weight: int) -> None:
        """Count `weight` more young bytes; first let all tables age when that is too much."""
        if self._young_bytes + weight > self._max_bytes // 2:
            for table in list(self._tables.values()):
                table.old, table.young = table.young, {}
            self._old_bytes, self._young_bytes = self._young_bytes, 0
            self.columns.clear()
        self._young_bytes += weight
