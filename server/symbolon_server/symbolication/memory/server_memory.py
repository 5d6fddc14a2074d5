"""What a server process holds in its own memory: modules, pages, dictionaries and whole frames."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, field
from itertools import count
from operator import add
from typing import Final, Generic, Self, TypeVar
from weakref import WeakValueDictionary

from symbolon_server.cache.invalidations import NO_INVALIDATIONS, KnownInvalidations
from symbolon_server.symbolication.memory.answer_columns import AnswerColumns
from symbolon_server.symbolication.memory.queries import ModuleResult, found_result
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.reader import Page

K = TypeVar("K")
V = TypeVar("V")

_PAGES_SHARE: Final = 0.5
_FRAMES_SHARE: Final = 0.3
_DICTIONARIES_SHARE: Final = 0.1
"""Of all memory; modules have the rest. A frame is small and answers at once, a page answers for
its whole range. A page dictionary is needed only for pages that are not in memory yet: its share
has room for some 190 large modules."""

_COLUMNS_PART: Final = 8
"""One byte in this many of the frames' share is for columns: room for all young frames of 700
bytes, as C++ has them."""

_ENTRY_BYTES: Final = 200
"""What a dictionary entry costs besides the bytes of its key and its value."""

_MODULE_BYTES: Final = 2000
"""What a module costs besides the offsets of its pages."""


@dataclass(frozen=True, slots=True)
class AgingCounts:
    """What an `AgingMap` holds, and its hits and misses so far."""

    entries: int
    stored_bytes: int
    max_bytes: int
    hits: int
    misses: int

    def __add__(self, other: "AgingCounts") -> "AgingCounts":
        """Return the sums of both."""
        return AgingCounts(*map(add, astuple(self), astuple(other)))


class AgingMap(Generic[K, V]):
    """Holds values of at most `max_bytes` together, as `weigh` counts them.

    What was not used for longest is evicted, in two halves: new and used entries are in the young
    half. When it is full it becomes the old half, and what was in the old half and not used since
    is evicted: two plain dictionaries instead of a linked list, so that a lookup of a young entry
    changes nothing.

    It is thread-safe: one lock is held for microseconds, and evicted entries are freed outside of
    it. An entry that weighs more than half of `max_bytes` is not kept. `weigh` is called once for
    each value put.
    """

    def __init__(self, max_bytes: int, weigh: Callable[[K, V], int]) -> None:
        self._max_bytes = max_bytes
        self._weigh = weigh
        self._lock = threading.Lock()
        self._young: dict[K, tuple[V, int]] = {}
        self._old: dict[K, tuple[V, int]] = {}
        self._young_bytes = 0
        self._old_bytes = 0
        self._hits = 0
        self._misses = 0

    def get(self, key: K) -> V | None:
        """Return the value, None for a miss."""
        with self._lock:
            entry = self._young.get(key)
            if entry is not None:
                self._hits += 1
                return entry[0]
        return self.get_many((key,))[0]

    def peek(self, key: K) -> V | None:
        """Return the value or None; count nothing, and keep the entry as old as it is."""
        with self._lock:
            entry = self._young.get(key) or self._old.get(key)
        return None if entry is None else entry[0]

    def get_young(self, key: K) -> V | None:
        """Return the value if it is young, without a lock; if it is None, call `get`.

        Report the hits to `count_hits`.
        """
        entry = self._young.get(key)  # atomic
        return None if entry is None else entry[0]

    def count_hits(self, hits: int) -> None:
        """Count the values that `get_young` found."""
        with self._lock:
            self._hits += hits

    def get_many(self, keys: Sequence[K]) -> list[V | None]:
        """Return the values in the order of `keys`, None for misses; takes the lock once."""
        evicted: list[object] = []
        values: list[V | None] = []
        with self._lock:
            for key in keys:
                entry = self._young.get(key) or self._promote(key, evicted)
                values.append(None if entry is None else entry[0])
            misses = values.count(None)
            self._misses += misses
            self._hits += len(values) - misses
        return values

    def put(self, key: K, value: V) -> None:
        """Keep a value, and replace any earlier one."""
        entry = value, self._weigh(key, value)
        evicted: list[object] = []
        with self._lock:
            self._put(key, entry, evicted)

    def put_many(self, items: Iterable[tuple[K, V]]) -> None:
        """Keep several values; takes the lock once."""
        weighed = [(key, (value, self._weigh(key, value))) for key, value in items]
        evicted: list[object] = []
        with self._lock:
            for key, entry in weighed:
                self._put(key, entry, evicted)

    def discard(self, key: K) -> None:
        """Delete one entry, if it exists."""
        with self._lock:
            evicted = self._remove(key)
        del evicted

    def clear(self) -> None:
        """Delete all entries; the counts of hits and misses stay."""
        with self._lock:
            evicted = self._young, self._old
            self._young, self._old = {}, {}
            self._young_bytes = self._old_bytes = 0
        del evicted

    def counts(self) -> AgingCounts:
        """Return what is held, and the hits and misses so far."""
        with self._lock:
            return AgingCounts(
                entries=len(self._young) + len(self._old),
                stored_bytes=self._young_bytes + self._old_bytes,
                max_bytes=self._max_bytes,
                hits=self._hits,
                misses=self._misses,
            )

    def check(self) -> None:
        """Raise AssertionError if the map is inconsistent; for tests."""
        with self._lock:
            halves = ((self._young, self._young_bytes), (self._old, self._old_bytes))
            for half, stored_bytes in halves:
                weights = sum(weight for _value, weight in half.values())
                _require(weights == stored_bytes, f"{weights} bytes counted as {stored_bytes}")
                _require(stored_bytes <= self._max_bytes // 2, "a half is over its limit")
            _require(self._young.keys().isdisjoint(self._old), "a key is in both halves")

    def _promote(self, key: K, evicted: list[object]) -> tuple[V, int] | None:
        entry = self._old.pop(key, None)
        if entry is not None:
            self._old_bytes -= entry[1]
            self._add(key, entry, evicted)
        return entry

    def _put(self, key: K, entry: tuple[V, int], evicted: list[object]) -> None:
        if key in self._young or key in self._old:
            evicted.append(self._remove(key))
        if entry[1] <= self._max_bytes // 2:
            self._add(key, entry, evicted)

    def _remove(self, key: K) -> object:
        """Remove an entry from either half; return it, so that the caller frees it."""
        if (entry := self._young.pop(key, None)) is not None:
            self._young_bytes -= entry[1]
        elif (entry := self._old.pop(key, None)) is not None:
            self._old_bytes -= entry[1]
        return entry

    def _add(self, key: K, entry: tuple[V, int], evicted: list[object]) -> None:
        """Make an entry young; if the young half is full, it becomes the old half first."""
        if self._young_bytes + entry[1] > self._max_bytes // 2:
            evicted.append(self._old)
            self._old, self._old_bytes = self._young, self._young_bytes
            self._young, self._young_bytes = {}, 0
        self._young[key] = entry
        self._young_bytes += entry[1]


def _require(is_so: bool, problem: str) -> None:
    if not is_so:
        raise AssertionError(problem)


@dataclass(slots=True, weakref_slot=True, eq=False)
class FrameTable:
    """The remembered frames of one generation of a module, by how they were requested.

    Calls read `young` without a lock: each read of a dictionary is atomic. Only the `FrameMemory`
    writes.
    """

    number: int
    """Unique among all tables that the process ever had."""

    young: dict[bytes, bytes] = field(default_factory=dict)
    """From the encoded `symbolon.v1.Frame` without its module index to the encoded answer."""

    old: dict[bytes, bytes] = field(default_factory=dict)


class FrameMemory:
    """All remembered frames, at most `max_bytes` of them.

    All tables age together: when the young halves are full they become the old ones, and what
    was not used since the last time is forgotten. One lock guards all writing.

    A table lives as long as it is referenced, even if it is empty. Otherwise a module could
    recall from one table while its frames are remembered in another.
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
        """Return the table of a generation, which belongs to one module."""
        with self._lock:
            table = self._tables.get(generation)
            if table is None:
                table = self._tables[generation] = FrameTable(next(self._numbers))
            return table

    def put_many(self, table: FrameTable, frames: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember `frames`, pairs of how they were requested and how they were answered."""
        with self._lock:
            for asked, answered in frames:
                if asked not in table.young:
                    weight = len(asked) + len(answered) + _ENTRY_BYTES
                    if self._young_bytes + weight > self._max_bytes // 2:
                        self._age()
                    self._young_bytes += weight
                    table.young[asked] = answered

    def recall_old(self, table: FrameTable, asked: bytes) -> bytes | None:
        """Return a frame of the old half, which makes it young, or None."""
        answered = table.old.get(asked)
        if answered is not None:
            self.put_many(table, [(asked, answered)])
        return answered

    def count(self, hits: int, misses: int) -> None:
        """Count recalled and missed frames.

        Every call does this, so it has a lock of its own: it never waits for writing.
        """
        with self._counting:
            self._hits += hits
            self._misses += misses

    def counts(self) -> AgingCounts:
        """Return what is remembered, and the hits and misses so far."""
        with self._counting:
            hits, misses = self._hits, self._misses
        with self._lock:
            entries = sum(len(table.young) + len(table.old) for table in self._tables.values())
            stored_bytes = self._young_bytes + self._old_bytes
        return AgingCounts(entries, stored_bytes, self._max_bytes, hits, misses)

    def _age(self) -> None:
        """Let all tables age, as there is no room for more young frames."""
        for table in list(self._tables.values()):
            table.old, table.young = table.young, {}
        self._old_bytes, self._young_bytes = self._young_bytes, 0
        self.columns.clear()


@dataclass(frozen=True, slots=True)
class RememberedModule:
    """A module whose page directory is in memory."""

    directory: PageDirectory
    module_field: bytes
    """The encoded field `module` of all its frames."""

    result: ModuleResult
    """The result of the module in a request that it answers."""

    frames: FrameTable
    """The remembered frames of this generation."""

    first_offsets: bytes
    """Those of `directory`, for `octets`."""

    @classmethod
    def of(cls, directory: PageDirectory, frames: FrameTable) -> Self:
        """Return the module of a page directory."""
        return cls(
            directory,
            api_frames.module_field(directory.facts.module_name.encode()),
            found_result(directory.facts),
            frames,
            directory.first_offsets.tobytes(),
        )


class ServerMemory:
    """All memory of a server process, bounded in bytes; each map has its own lock."""

    def __init__(self, max_bytes: int) -> None:
        """Hold at most `max_bytes`."""
        pages, frames = int(max_bytes * _PAGES_SHARE), int(max_bytes * _FRAMES_SHARE)
        dictionaries = int(max_bytes * _DICTIONARIES_SHARE)
        self.pages: AgingMap[PageKey, Page] = AgingMap(
            pages, lambda _, page: page.memory_bytes + _ENTRY_BYTES
        )
        self.dictionaries: AgingMap[PageKey, PageDictionary] = AgingMap(
            dictionaries, lambda _, dictionary: dictionary.memory_bytes + _ENTRY_BYTES
        )
        self.frames = FrameMemory(frames)
        self.modules: AgingMap[ModuleId, RememberedModule] = AgingMap(
            max_bytes - pages - frames - dictionaries,
            lambda _, module: 2 * len(module.first_offsets) + _MODULE_BYTES,
        )

    def put_module(
        self,
        module_id: ModuleId,
        directory: PageDirectory,
        invalidations: KnownInvalidations = NO_INVALIDATIONS,
    ) -> RememberedModule:
        """Replace any earlier generation of a module, and return the module.

        Raises `DamagedPageError` if the module was invalidated in the meantime.
        """
        module = RememberedModule.of(directory, self.frames.table(directory.generation))
        self.modules.put(module_id, module)
        # Checked after the put: a thread that learns of an invalidation later finds the module.
        if invalidations.is_stale(module_id, directory.ingest.as_of):
            self.modules.discard(module_id)
            raise DamagedPageError("a page directory that was invalidated")
        return module

    def counts_of_frames(self) -> AgingCounts:
        """Return what is remembered of whole frames, with hits and misses."""
        return self.frames.counts()

    def counts_of_memory(self) -> AgingCounts:
        """Return what is held of pages, dictionaries and directories, with hits and misses."""
        return self.modules.counts() + self.pages.counts() + self.dictionaries.counts()
