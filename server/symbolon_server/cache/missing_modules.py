"""Counts the modules that were asked for and are missing, for those who upload symbols."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.keys import MISSING_PREFIX
from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import ModuleId

MOST_MODULES = 10_000
"""How many are remembered; those not asked for the longest go first."""

_LAST_SEEN = MISSING_PREFIX + "last_seen"
"""A sorted set: module ids by when they were last asked for, in Unix seconds."""

_FIRST_SEEN = MISSING_PREFIX + "first_seen"
"""A hash: when each was first asked for."""

_COUNTS = MISSING_PREFIX + "counts"
"""A hash: in how many requests each was asked for."""

_CODE = MISSING_PREFIX + "code"
"""A hash: the code file and code id of each, as JSON, where a caller told them."""

_HASHES = (_FIRST_SEEN, _COUNTS, _CODE)


@dataclass(frozen=True, slots=True)
class MissingModule:
    """A module that was asked for and that no supplier has; times are Unix seconds."""

    asked: AskedModule
    count: int
    first_seen: float
    last_seen: float


class MissingModules:
    """A bounded list shared by all servers; raises `CacheUnavailableError`.

    A few keys hold all of it, rather than one for each module, so that it can be bounded.
    """

    def __init__(
        self,
        cache: KeyedCache,
        most_modules: int = MOST_MODULES,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._most_modules = most_modules
        self._wall_clock = wall_clock

    def record(self, requests: Mapping[AskedModule, int]) -> None:
        """Add so many requests to the count of each module, in one round trip."""
        if not requests:
            return
        now = self._wall_clock()
        counts: Counter[str] = Counter()
        for asked, count in requests.items():
            counts[str(asked.module_id)] += count
        code = {
            str(asked.module_id): json.dumps([asked.code_file, asked.code_id])
            for asked in requests
            if asked.code_file or asked.code_id
        }

        def add(pipeline: Pipeline) -> None:
            pipeline.zadd(self._cache.key(_LAST_SEEN), dict.fromkeys(counts, now))
            for name, count in counts.items():
                pipeline.hsetnx(self._cache.key(_FIRST_SEEN), name, repr(now))
                pipeline.hincrby(self._cache.key(_COUNTS), name, count)
            for name, told in code.items():
                pipeline.hset(self._cache.key(_CODE), name, told)
            pipeline.zcard(self._cache.key(_LAST_SEEN))

        excess = int(self._cache.run(add)[-1]) - self._most_modules
        if excess > 0:
            self._drop_oldest(excess)

    def forget(self, module_ids: Collection[ModuleId]) -> None:
        """Drop modules that are missing no more."""
        if module_ids:
            self._drop([str(module_id) for module_id in module_ids])

    def list(self, limit: int) -> tuple[list[MissingModule], int]:
        """Return those asked for most often, the latest first among equals, and how many there are.

        It looks at all of them: some 30 ms for `MOST_MODULES`.
        """

        def ask(pipeline: Pipeline) -> None:
            pipeline.zrange(self._cache.key(_LAST_SEEN), 0, -1, withscores=True)
            for name in _HASHES:
                pipeline.hgetall(self._cache.key(name))

        last_seen, first_seen, counts, code = self._cache.run(ask)
        modules = [
            MissingModule(
                asked=_asked_module(name, code.get(name)),
                count=int(counts.get(name, 0)),
                first_seen=float(first_seen.get(name, last)),
                last_seen=float(last),
            )
            for name, last in last_seen
        ]
        return nlargest(limit, modules, key=lambda m: (m.count, m.last_seen)), len(modules)

    def _drop_oldest(self, number: int) -> None:
        popped: list[tuple[bytes, float]] = self._cache.run(
            lambda pipeline: pipeline.zpopmin(self._cache.key(_LAST_SEEN), number)
        )[0]
        if popped:  # nothing is left when another server dropped them first
            self._drop([name for name, _last_seen in popped])

    def _drop(self, names: Sequence[str | bytes]) -> None:
        def drop(pipeline: Pipeline) -> None:
            pipeline.zrem(self._cache.key(_LAST_SEEN), *names)
            for name in _HASHES:
                pipeline.hdel(self._cache.key(name), *names)

        self._cache.run(drop)


def _asked_module(name: bytes, code: bytes | None) -> AskedModule:
    code_file, code_id = json.loads(code) if code else ("", "")
    return AskedModule(ModuleId.from_text(name.decode()), code_file, code_id)
