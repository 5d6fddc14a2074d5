"""Counts the modules that were asked for and are missing, for those who upload symbols."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.keys import MISSING_PREFIX
from symbolon_server.symbols.module_ids import ModuleId

MOST_MODULES = 10_000
"""How many are remembered; those not asked for the longest go first."""

_LAST_SEEN = MISSING_PREFIX + "last_seen"
"""A sorted set: module ids by when they were last asked for, in Unix seconds."""

_FIRST_SEEN = MISSING_PREFIX + "first_seen"
"""A hash: when each was first asked for."""

_COUNTS = MISSING_PREFIX + "counts"
"""A hash: in how many requests each was asked for."""


@dataclass(frozen=True, slots=True)
class MissingModule:
    """A module that was asked for and that no supplier has; times are Unix seconds."""

    module_id: ModuleId
    count: int
    first_seen: float
    last_seen: float


class MissingModules:
    """A bounded list shared by all servers; raises `CacheUnavailableError`.

    Three keys hold all of it, rather than one for each module, so that it can be bounded.
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

    def record(self, requests: Mapping[ModuleId, int]) -> None:
        """Add so many requests to the count of each module, in one round trip."""
        if not requests:
            return
        now = self._wall_clock()
        counts = {str(module_id): count for module_id, count in requests.items()}

        def add(pipeline: Pipeline) -> None:
            pipeline.zadd(self._cache.key(_LAST_SEEN), dict.fromkeys(counts, now))
            for name, count in counts.items():
                pipeline.hsetnx(self._cache.key(_FIRST_SEEN), name, repr(now))
                pipeline.hincrby(self._cache.key(_COUNTS), name, count)
            pipeline.zcard(self._cache.key(_LAST_SEEN))

        excess = int(self._cache.run(add)[-1]) - self._most_modules
        if excess > 0:
            self._drop_oldest(excess)

    def forget(self, module_ids: Collection[ModuleId]) -> None:
        """Drop modules that are missing no more."""
        if module_ids:
            self._drop([str(module_id) for module_id in module_ids])

    def list(self, limit: int) -> list[MissingModule]:
        """Return at most `limit` of them, those asked for most recently first."""
        if limit <= 0:
            return []
        found: list[tuple[bytes, float]] = self._cache.run(
            lambda pipeline: pipeline.zrevrange(
                self._cache.key(_LAST_SEEN), 0, limit - 1, withscores=True
            )
        )[0]
        if not found:
            return []
        names = [name for name, _last_seen in found]

        def ask(pipeline: Pipeline) -> None:
            pipeline.hmget(self._cache.key(_COUNTS), names)
            pipeline.hmget(self._cache.key(_FIRST_SEEN), names)

        counts, first_seen = self._cache.run(ask)
        rows = zip(found, counts, first_seen, strict=True)
        return [
            MissingModule(
                module_id=ModuleId.from_text(name.decode()),
                count=int(count or 0),
                first_seen=float(first or last),
                last_seen=float(last),
            )
            for (name, last), count, first in rows
        ]

    def _drop_oldest(self, number: int) -> None:
        popped: list[tuple[bytes, float]] = self._cache.run(
            lambda pipeline: pipeline.zpopmin(self._cache.key(_LAST_SEEN), number)
        )[0]
        if popped:  # nothing is left when another server dropped them first
            self._drop([name for name, _last_seen in popped])

    def _drop(self, names: Sequence[str | bytes]) -> None:
        def drop(pipeline: Pipeline) -> None:
            pipeline.zrem(self._cache.key(_LAST_SEEN), *names)
            pipeline.hdel(self._cache.key(_COUNTS), *names)
            pipeline.hdel(self._cache.key(_FIRST_SEEN), *names)

        self._cache.run(drop)
