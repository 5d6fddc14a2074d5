"""Stores of a fixed size under the hit ratio's workload, each a real Redis."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_dumps import dump_string
from tests.bench.hit_ratios.insertion import PATIENT, Insertion
from tests.bench.hit_ratios.simulation import HOPELESS, SOON
from tests.bench.hit_ratios.sizes import KeyBytes, name_of
from tests.bench.hit_ratios.world import Keys, Lookups, World

SCALE: Final = 10
"""Everything is kept at a fraction of its size, in stores of the same fraction."""

_FIELD_BYTES: Final = 4_000
_FIELD: Final = bytes(_FIELD_BYTES)
_KEYS_AT_ONCE, _FIELDS_AT_ONCE, _MODULES_AT_ONCE = 100, 20, 4
"""A request counts as used memory while it is read: a large one would push out what is kept."""

_TOUCH: Final = """
local found = {}
for number, key in ipairs(KEYS) do found[number] = redis.call('TOUCH', key) end
return table.concat(found)
"""

_PUT: Final = """
-- ARGV: for each key the number of its dump, for each key its age, the dumps.
for number, key in ipairs(KEYS) do
  local dump, age = ARGV[2 * #KEYS + ARGV[number]], ARGV[#KEYS + number]
  local answer = redis.pcall('RESTORE', key, 0, dump, 'REPLACE', 'IDLETIME', age)
  if answer.err and not string.find(answer.err, 'OOM', 1, true) then return answer end
end
"""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a batch of lookups asks for, each page once: the second time it is there."""

    start: int
    end: int
    rows: Keys
    """Of the first lookup of each page."""

    @classmethod
    def of(cls, lookups: Lookups, start: int, end: int) -> "Asked":
        """Return what the lookups from `start` to `end` ask for."""
        _, first = np.unique(lookups.page[start:end], return_index=True)
        return cls(start, end, (start + np.sort(first)).astype(np.int32))


class RealRedis:
    """A Redis with `allkeys-lru`, at a fraction of the size."""

    def __init__(
        self,
        sizes: Keys,
        max_bytes: int,
        key_bytes: KeyBytes,
        opened: ExitStack,
        overrides: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep at most `max_bytes` of keys that take `sizes`, both at full size."""
        self._sizes = np.maximum(1, np.round(sizes / SCALE - key_bytes.here)).astype(np.int32)
        server = opened.enter_context(
            EmbeddedRedis.start("store.conf", EmbeddedOptions(overrides=overrides))
        )
        self._redis: Any = opened.enter_context(connect(server.url, PATIENT))
        self._touch = self._redis.register_script(_TOUCH)
        self._put = self._redis.register_script(_PUT)
        self._touch(keys=["none"])
        self._put(keys=["none"], args=[1, 0, _dump(1)])
        self._redis.delete("none")
        self._base = int(self._redis.info("memory")["used_memory"])
        self.limit = max_bytes // SCALE + self._base
        self._redis.config_set("maxmemory", self.limit)
        self.puts = 0

    @property
    def used(self) -> int:
        """Bytes, with all that an empty server uses."""
        return int(self._redis.info("memory")["used_memory"])

    @property
    def evictions(self) -> int:
        """How many keys have been evicted."""
        return int(self._redis.info("stats")["evicted_keys"])

    def sample_idle(self, count: int) -> list[int]:
        """Return the idle times of about `count` keys drawn by chance, in seconds."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for _ in range(count):
                pipeline.randomkey()
            keys = [key for key in pipeline.execute() if key is not None]
            for key in keys:
                pipeline.object("idletime", key)
            return [idle for idle in pipeline.execute() if idle is not None]

    def find(self, keys: Keys) -> Flags:
        """Return which keys are there; they count as used now."""
        names = list(map(name_of, keys.tolist()))
        found: Flags = np.frombuffer(self._touch(keys=names), np.uint8) == ord("1")
        return found

    def put_all(self, keys: Keys, ages: Keys) -> None:
        """Put keys as if they had not been used for so many seconds; a full store may refuse."""
        self.puts += len(keys)
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            rows = slice(start, start + _KEYS_AT_ONCE)
            sizes = self._sizes[keys[rows]].tolist()
            # Each value once: to send all of them takes longer than all else.
            dumps = {size: number for number, size in enumerate(set(sizes), 1)}
            self._put(
                keys=list(map(name_of, keys[rows].tolist())),
                args=[*(dumps[size] for size in sizes), *ages[rows].tolist(), *map(_dump, dumps)],
            )

    def put_module(self, module: int) -> None:
        """Put a hash as large as the module; in fields, since large values are rounded up."""
        fields, rest = divmod(int(self._sizes[module]), _FIELD_BYTES)
        values = [_FIELD] * fields + [_FIELD[:rest]]
        for start in range(0, len(values), _FIELDS_AT_ONCE):
            some = enumerate(values[start : start + _FIELDS_AT_ONCE], start)
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hset(name_of(module), mapping=dict(some))
                pipeline.execute(raise_on_error=False)
        self.puts += 1


@cache
def _dump(size: int) -> bytes:
    """Return what `RESTORE` makes a value of this size of."""
    return dump_string(bytes(size))


class Store(ABC):
    """A Redis of a fixed size, and what was missed in it."""

    _overrides: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self,
        lookups: Lookups,
        sizes: Keys,
        max_bytes: int,
        *,
        key_bytes: KeyBytes,
        opened: ExitStack,
    ) -> None:
        """Keep at most `max_bytes`, counted at full size."""
        self.max_bytes = max_bytes
        self.lookups = self.misses = self.again = 0
        self.server = RealRedis(sizes, max_bytes, key_bytes, opened, self._overrides)
        self._lookups = lookups

    @abstractmethod
    def look_up(self, asked: Asked, now: int) -> None:
        """Look up everything that is asked, count misses and put what was missed."""


def is_far_too_small(store: Store, lookups: int) -> bool:
    """Return whether a store misses so much that it is given up."""
    return store.lookups >= SOON * lookups and store.misses > HOPELESS * store.lookups


class ModuleStore(Store):
    """Keeps whole modules: all of it is put, all of it goes."""

    # Large hashes are freed in the background otherwise, and until that is done ever more of
    # them are evicted, sometimes all. Pages are small strings, which are freed at once.
    _overrides: ClassVar[Mapping[str, str]] = MappingProxyType({"lazyfree-lazy-eviction": "no"})

    def look_up(self, asked: Asked, now: int) -> None:
        """Look up the modules."""
        modules = np.unique(self._lookups.module[asked.rows])
        missed = modules[~self.server.find(modules)].tolist()
        self.lookups += asked.end - asked.start
        self.misses += len(missed)
        for module in missed:
            self.server.put_module(module)


class PageStore(Store):
    """Keeps pages as workers and servers do; of a new module those that `insertion` says."""

    def __init__(
        self,
        world: World,
        insertion: Insertion,
        lookups: Lookups,
        max_bytes: int,
        *,
        key_bytes: KeyBytes,
        opened: ExitStack,
    ) -> None:
        super().__init__(lookups, world.page_sizes, max_bytes, key_bytes=key_bytes, opened=opened)
        self._insertion = insertion
        self._are_asked = np.zeros(len(world.page_sizes), np.bool_)

    def look_up(self, asked: Asked, now: int) -> None:
        """Look up directories, dictionaries and pages."""
        lookups, rows = self._lookups, asked.rows
        pages, directories = lookups.page[rows], lookups.directory[rows]
        is_missed, missing = self._find(asked)
        is_ingested = np.isin(directories, missing)
        for row in rows[~is_ingested & np.isin(pages, missing)].tolist():
            self._insertion.miss(int(lookups.module[row]), int(lookups.page_number[row]))
        for directory in np.unique(directories[is_ingested]).tolist():
            of_module = np.flatnonzero(directories == directory)
            put = self._ingest(int(rows[of_module[0]]), pages, now)
            # The first lookup ingests the module: the others find what that puts.
            is_missed[of_module[1:]] &= np.isin(pages[of_module[1:]], missing)
            is_missed[of_module[1:]] &= ~np.isin(pages[of_module[1:]], put)
        self.server.put_all(missing, np.zeros(len(missing), np.int32))
        self.lookups += asked.end - asked.start
        self.misses += int(is_missed.sum())
        self.again += int((is_missed & self._are_asked[pages]).sum())
        self._are_asked[pages] = True
        self._insertion.tell(lookups, slice(asked.start, asked.end), now, self.server)

    def _find(self, asked: Asked) -> tuple[Flags, Keys]:
        """Return for each row whether it misses, and all that is missing."""
        lookups, rows = self._lookups, asked.rows
        needed = np.stack([lookups.page[rows], lookups.dictionary[rows], lookups.directory[rows]])
        keys, places = np.unique(needed, return_inverse=True)
        is_there = self.server.find(keys)
        is_missed: Flags = np.any(~is_there[places.reshape(needed.shape)], axis=0)
        return is_missed, keys[~is_there]

    def _ingest(self, row: int, asked: Keys, now: int) -> Keys:
        """Put the pages of a module but those that are `asked`; return all that it would put."""
        first = int(self._lookups.directory[row]) + 2
        numbers, ages = self._insertion.ages(int(self._lookups.module[row]), now, self.server)
        others = ~np.isin(first + numbers, asked)
        self.server.put_all(first + numbers[others], ages[others])
        put: Keys = first + numbers
        return put
