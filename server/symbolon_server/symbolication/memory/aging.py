"""A map bounded in bytes that evicts what was not used for longest, in two halves.

New and used entries are in the young half. When it is full it becomes the old half, and what
was in the old half and not used since is evicted: two plain dictionaries instead of a linked
list, so that a lookup of a young entry changes nothing.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from operator import add
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


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
