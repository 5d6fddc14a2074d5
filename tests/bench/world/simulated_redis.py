"""A store of a fixed size as Redis keeps it under `allkeys-lru`, without the bytes.

What decides over evictions is what `evict.c` does: before a command that needs memory, and as long
as more than `maxmemory` is used, `maxmemory-samples` keys are drawn by chance. The 16 that were
idle longest of all that were drawn so far wait in a pool, with the idle time of when they were
drawn; the one with the longest goes. Ages are told by a clock of whole seconds.
"""

from array import array
from bisect import insort
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 10
"""`maxmemory-samples` of `store.conf`."""

_POOL: Final = 16
_NOWHERE: Final = -1
_AT_ONCE: Final = 64
"""Keys put between two evictions, where many are put at once."""

_FEW: Final = 4
"""Up to so many evictions are drawn one by one."""

_KEY_BITS: Final = 21
_TIE_BITS: Final = 16
_IDLE_SHIFT: Final = _KEY_BITS + _TIE_BITS
_KEY_MASK: Final = (1 << _KEY_BITS) - 1
_TIE_MASK: Final = (1 << _TIE_BITS) - 1
MOST_KEYS: Final = 1 << _KEY_BITS
_DRAWN_BITS: Final = 42

Keys = NDArray[np.int32]


class SimulatedRedis:
    """Which keys are there, and how long each was idle.

    Keys are numbers below `len(sizes)`. `positions` and `used_at` are there for the loop over
    lookups alone, in which a call of a method would take longer than all else: a key is there if
    its position is not negative, and `used_at` becomes `now` when it is used.
    """

    def __init__(self, sizes: NDArray[np.int32], limit: int, random: Random) -> None:
        """Keep at most `limit` bytes of keys that take these `sizes`, with all that they need."""
        if len(sizes) > MOST_KEYS:
            raise ValueError(f"{len(sizes)} keys are more than {MOST_KEYS}")
        self.now = 0
        self.evictions = 0
        self.puts = 0
        self.used = 0
        self.limit = limit
        self.positions = array("i", [_NOWHERE]) * len(sizes)
        self.used_at = array("i", [0]) * len(sizes)
        self._sizes = array("i", sizes.tobytes())
        self._live = array("i", [0]) * len(sizes)
        self._count = 0
        self._pool: list[int] = []
        """Ascending: idle time, a number by chance where that is the same, and the key."""

        self._random = random
        self._generator = np.random.default_rng(random.getrandbits(64))
        # The same memory, for where there are many keys at once.
        self._np_positions = np.frombuffer(self.positions, np.int32)
        self._np_used_at = np.frombuffer(self.used_at, np.int32)
        self._np_sizes = np.frombuffer(self._sizes, np.int32)
        self._np_live = np.frombuffer(self._live, np.int32)

    def __len__(self) -> int:
        return self._count

    def keys(self) -> list[int]:
        """Return all keys that are there, in any order."""
        return self._live[: self._count].tolist()

    def put(self, key: int, age: int = 0) -> None:
        """Put a key as if it had not been used for `age` seconds."""
        if self.used > self.limit:
            self._evict()
        self.puts += 1
        if self.positions[key] < 0:
            self._live[self._count] = key
            self.positions[key] = self._count
            self._count += 1
            self.used += self._sizes[key]
        self.used_at[key] = self.now - age

    def use(self, key: int) -> None:
        """Use a key, or put it if it is not there."""
        if self.positions[key] >= 0:
            self.used_at[key] = self.now
        else:
            self.put(key)

    def put_all(self, keys: Keys, ages: NDArray[np.int32]) -> None:
        """Put distinct keys, with as many ages."""
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            if self.used > self.limit:
                self._evict()
            new = some[self._np_positions[some] < 0]
            count = self._count
            self._count += len(new)
            self._np_live[count : self._count] = new
            self._np_positions[new] = np.arange(count, self._count)
            self._np_used_at[some] = self.now - ages[start : start + _AT_ONCE]
            self.used += int(self._np_sizes[new].sum())
            self.puts += len(some)

    def sample_idle(self, count: int) -> list[int]:
        """Return the idle times of `count` keys drawn by chance; a key may be drawn twice."""
        rows = self._generator.integers(0, self._count, count)
        found: list[int] = (self.now - self._np_used_at[self._np_live[rows]]).tolist()
        return found

    def _evict(self) -> None:
        """Evict keys until no more than `limit` is used."""
        live, positions, sizes, pool = self._live, self.positions, self._sizes, self._pool
        count, used, limit = self._count, self.used, self.limit
        few = (used - limit) * count <= _FEW * used
        while used > limit and count:
            for draws in [self._draw(count)] if few else self._draw_many(count):
                for waiting in draws:
                    if len(pool) == _POOL:
                        if waiting <= pool[0]:
                            break  # the others were idle for a shorter time
                        del pool[0]
                    insort(pool, waiting)
                while pool:
                    key = pool.pop() & _KEY_MASK
                    position = positions[key]
                    if position >= 0:
                        count -= 1
                        last = live[count]
                        live[position] = last
                        positions[last] = position
                        positions[key] = _NOWHERE
                        used -= sizes[key]
                        break
                if used <= limit:
                    break
        self.evictions += self._count - count
        self._count, self.used = count, used

    def _draw(self, count: int) -> list[int]:
        """Return what is drawn of `count` keys for one eviction, the longest idle first."""
        draw, live, used_at, now = self._random.getrandbits, self._live, self.used_at, self.now
        draws = []
        for _ in range(SAMPLES):
            drawn = draw(_DRAWN_BITS)
            key = live[drawn * count >> _DRAWN_BITS]
            draws.append(now - used_at[key] << _IDLE_SHIFT | (drawn & _TIE_MASK) << _KEY_BITS | key)
        draws.sort(reverse=True)
        return draws

    def _draw_many(self, count: int) -> list[list[int]]:
        """Return what is drawn for many evictions at once.

        What is put meanwhile cannot be drawn, and what is evicted can be drawn again: too few
        keys for it to matter.
        """
        drawn = self._generator.integers(0, 1 << _DRAWN_BITS, (_AT_ONCE, SAMPLES))
        keys = self._np_live[drawn * count >> _DRAWN_BITS].astype(np.int64)
        idle = self.now - self._np_used_at[keys].astype(np.int64)
        waiting = idle << _IDLE_SHIFT | (drawn & _TIE_MASK) << _KEY_BITS | keys
        waiting.sort(axis=1)
        rows: list[list[int]] = waiting[:, ::-1].tolist()
        return rows
