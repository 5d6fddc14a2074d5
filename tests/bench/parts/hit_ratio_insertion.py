"""Which pages of a module are put when it is ingested, and how old: today's ways and the rule."""

import math
from array import array
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tests.bench.parts.hit_ratio_world import Keys, World

FULL_SHARE: Final = 0.8


class Server(Protocol):
    """What is asked of a store."""

    limit: int

    @property
    def evictions(self) -> int:
        """How many keys have been evicted."""

    @property
    def used(self) -> int:
        """Bytes, of `limit`."""

    def sample_idle(self, count: int) -> list[int]:
        """Return the idle times of `count` keys drawn by chance."""


class Insertion(Protocol):
    """Says what becomes of the pages that nobody asked for yet."""

    def tell(self, files: Keys, functions: Keys, seconds: Keys) -> None:
        """Take note of uses, in the order of time."""

    def miss(self, page: int, is_ingested: bool, asked_at: int, now: int) -> None:
        """Take note of a miss; `asked_at` is when the page was asked for last, negative: never."""

    def tick(self, server: Server, now: int) -> None:
        """Do what is due."""

    def ages(self, file: int, is_ingested: bool, now: int, server: Server) -> tuple[Keys, Keys]:
        """Return the numbers of the pages to put, and their ages."""


class _Plain:
    def __init__(self, world: World) -> None:
        self._all = [np.arange(count, dtype=np.int32) for count in world.pages]
        self._new = [np.zeros(count, np.int32) for count in world.pages]
        self._none = np.zeros(0, np.int32)

    def tell(self, files: Keys, functions: Keys, seconds: Keys) -> None:
        pass

    def miss(self, page: int, is_ingested: bool, asked_at: int, now: int) -> None:
        pass

    def tick(self, server: Server, now: int) -> None:
        pass


class AllAsNew(_Plain):
    """Puts every page as if it had been used now."""

    def ages(self, file: int, is_ingested: bool, now: int, server: Server) -> tuple[Keys, Keys]:
        """Return all pages."""
        return self._all[file], self._new[file]


class WhileThereIsRoom(_Plain):
    """Puts every page until 80 % of the memory is used, and then none."""

    _was_full = False

    def ages(self, file: int, is_ingested: bool, now: int, server: Server) -> tuple[Keys, Keys]:
        """Return all pages or none."""
        self._was_full = self._was_full or server.used >= FULL_SHARE * server.limit
        if self._was_full:
            return self._none, self._none
        return self._all[file], self._new[file]


RATIO, STEP, LOW, HIGH, NOISE, C0, NEW, SKIP = 3, 0.15, -3.0, 5.0, 10, 1 / 30, 0.3, 0.9
EPOCHS, SAMPLE, MEMORY = 10, 8, 4


class Rule(_Plain):
    """Puts every page as old as the interval at which its functions were asked for."""

    def __init__(self, world: World, slots_per_page: int = 2) -> None:
        super().__init__(world)
        random = np.random.default_rng(5)
        functions = [len(file.pages_of_functions) for file in world.files]
        self._first_function = np.cumsum(functions) - functions
        self._page_of = np.concatenate([file.pages_of_functions for file in world.files])
        slots = world.pages * slots_per_page
        self._ends = np.cumsum(slots)
        self._starts = self._ends - slots
        self._pages = world.pages
        choices = [
            [
                start + random.integers(0, count, of_file)
                for start, count, of_file in zip(self._starts, slots, functions, strict=True)
            ]
            for _ in range(2)
        ]
        self._one, self._other = (
            array("i", np.concatenate(c).astype(np.int32).tobytes()) for c in choices
        )
        total = int(self._ends[-1])
        self._tag = array("i", [-1]) * total
        self._count = array("b", [0]) * total
        self._last = array("d", [0]) * total
        self._interval = array("d", [0]) * total
        self._np_tag = np.frombuffer(self._tag, np.int32)
        self._np_count = np.frombuffer(self._count, np.int8)
        self._np_last = np.frombuffer(self._last, np.float64)
        self._np_interval = np.frombuffer(self._interval, np.float64)
        self.eviction_age: float | None = None
        self.log_k = 0.0
        self._again = self._first = 0.0
        self._next_step = self._next_sample = 0.0
        self._is_sampled = np.random.default_rng(6).integers(0, SAMPLE, len(world.page_sizes)) == 0

    def tell(self, files: Keys, functions: Keys, seconds: Keys) -> None:
        numbers = (self._first_function[files] + functions).tolist()
        one, other, tag, count = self._one, self._other, self._tag, self._count
        last, interval = self._last, self._interval
        for function, now in zip(numbers, seconds.tolist(), strict=True):
            slot = one[function]
            if tag[slot] != function:
                slot = other[function]
                if tag[slot] != function:
                    first = one[function]
                    if self._expected(first, now) > self._expected(slot, now):
                        slot = first
                    tag[slot] = function
                    count[slot] = 1
                    last[slot] = now
                    continue
            since = now - last[slot]
            if count[slot] == 1:
                count[slot] = 2
                interval[slot] = since
            else:
                interval[slot] += NEW * (since - interval[slot])
            last[slot] = now

    def _expected(self, slot: int, now: int) -> float:
        if not self._count[slot]:
            return math.inf
        idle = now - self._last[slot]
        return 2 * idle if self._count[slot] == 1 else max(self._interval[slot], idle)

    def miss(self, page: int, is_ingested: bool, asked_at: int, now: int) -> None:
        if self.eviction_age is None or not is_ingested or not self._is_sampled[page]:
            return
        if asked_at >= 0 and now - asked_at <= MEMORY * self.eviction_age:
            self._again += 1
        else:
            self._first += 1

    def tick(self, server: Server, now: int) -> None:
        if now >= self._next_sample and server.evictions:
            oldest = sorted(server.sample_idle(100))[-5]
            if self.eviction_age is None:
                self.eviction_age = oldest
                self._next_step = now + oldest / EPOCHS
            else:
                self.eviction_age = 0.8 * self.eviction_age + 0.2 * oldest
            self._next_sample = now + self.eviction_age / 50
        if self.eviction_age is not None and now >= self._next_step:
            wanted = RATIO * self._again
            self.log_k += STEP * (wanted - self._first) / (wanted + self._first + NOISE)
            self.log_k = min(max(self.log_k, LOW), HIGH)
            self._again /= 2
            self._first /= 2
            self._next_step = now + self.eviction_age / EPOCHS

    def ages(self, file: int, is_ingested: bool, now: int, server: Server) -> tuple[Keys, Keys]:
        if self.eviction_age is None:
            return self._all[file], self._new[file]
        k = math.exp(self.log_k)
        oldest = self.eviction_age * k / (1 + k)
        if is_ingested:
            if oldest >= SKIP * self.eviction_age:
                return self._none, self._none
            return self._all[file], np.full(self._pages[file], oldest, np.int32)
        ages = np.minimum(oldest, C0 * k * self._intervals(file, now))
        numbers = np.flatnonzero(ages < SKIP * self.eviction_age).astype(np.int32)
        return numbers, ages[numbers].astype(np.int32)

    def _intervals(self, file: int, now: int) -> NDArray[np.float64]:
        slots = slice(self._starts[file], self._ends[file])
        count, tag = self._np_count[slots], self._np_tag[slots]
        idle = now - self._np_last[slots]
        expected = np.where(count == 1, 2 * idle, np.maximum(self._np_interval[slots], idle))
        known = count > 0
        found = np.full(self._pages[file], np.inf)
        np.minimum.at(found, self._page_of[tag[known]], expected[known])
        return found
