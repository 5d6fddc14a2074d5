"""Counts the modules that were asked for and are missing, for those who upload symbols."""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from itertools import islice

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import KeyedCache, sound_answers
from symbolon_server.redis_servers.keys import MISSING_PREFIX
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count, as_text, as_time
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

MOST_MODULES = 10_000
"""How many are remembered; those not asked for the longest go first."""

MOST_MODULES_A_STEP = 100
"""How many are recorded at once, so that Redis is held up for a few milliseconds at most."""

_LAST_SEEN = MISSING_PREFIX + "last_seen"
"""A sorted set: module ids by when they were last asked for, in Unix seconds."""

_SEEN = MISSING_PREFIX + "seen"
"""A hash: in how many requests each was asked for, when first, and its code file and code id where
a caller told them, as a JSON array."""

_RECORD = """
-- KEYS: the sorted set, the hash. ARGV: the time, most modules kept, and for each module its id,
-- how many requests, its code file and code id or two empty texts.
local now, most = tonumber(ARGV[1]), tonumber(ARGV[2])
for at = 3, #ARGV, 4 do
  local name, count, code_file, code_id = unpack(ARGV, at, at + 3)
  local ok, seen = pcall(cjson.decode, redis.call('HGET', KEYS[2], name) or '')
  if not ok or type(seen) ~= 'table' then
    seen = {0, now, '', ''}
  end
  if code_file ~= '' or code_id ~= '' then
    seen[3], seen[4] = code_file, code_id
  end
  seen = {(tonumber(seen[1]) or 0) + count, tonumber(seen[2]) or now, seen[3], seen[4]}
  redis.call('HSET', KEYS[2], name, cjson.encode(seen))
  redis.call('ZADD', KEYS[1], now, name)
end
-- Twice what a step adds: what others added goes too, little by little.
local excess = math.min(redis.call('ZCARD', KEYS[1]) - most, (#ARGV - 2) / 2)
if excess > 0 then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, excess - 1)) do
    redis.call('HDEL', KEYS[2], name)
  end
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, excess - 1)
end
"""


@dataclass(frozen=True, slots=True)
class MissingModule:
    """A module that was asked for and that no supplier has; times are Unix seconds."""

    asked: AskedModule
    count: int
    first_seen: float
    last_seen: float


class MissingModules:
    """A bounded list shared by all servers; raises `CacheUnavailableError`.

    Two keys hold all of it, rather than one for each module, so that it can be bounded.
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
        """Add so many requests to the count of each module, in steps of bounded size."""
        now, keys = self._wall_clock(), [self._cache.key(name) for name in (_LAST_SEEN, _SEEN)]
        counts = iter(requests.items())
        while step := list(islice(counts, MOST_MODULES_A_STEP)):
            arguments: list[str | int] = [repr(now), self._most_modules]
            for (module_id, code_file, code_id, _), count in step:
                arguments += [str(module_id), count, code_file, code_id]
            self._cache.run(partial(_add, keys, arguments))

    def forget(self, module_ids: Collection[ModuleId]) -> None:
        """Drop modules that are missing no more."""
        names = [str(module_id) for module_id in module_ids]

        def drop(pipeline: Pipeline) -> None:
            pipeline.zrem(self._cache.key(_LAST_SEEN), *names)
            pipeline.hdel(self._cache.key(_SEEN), *names)

        if names:
            self._cache.run(drop)

    def list(self, limit: int) -> tuple[list[MissingModule], int]:
        """Return those asked for most often, the latest first among equals, and how many there are.

        It looks at all of them: some 30 ms for `MOST_MODULES`.
        """

        def ask(pipeline: Pipeline) -> None:
            pipeline.zrange(self._cache.key(_LAST_SEEN), 0, -1, withscores=True)
            pipeline.hgetall(self._cache.key(_SEEN))

        with sound_answers():
            last_seen, seen = self._cache.run(ask)
            decoded = [_decode(name, last, seen.get(name)) for name, last in last_seen]
        modules = [module for module in decoded if module is not None]
        return nlargest(limit, modules, key=lambda m: (m.count, m.last_seen)), len(modules)


def _add(keys: Sequence[str], arguments: Sequence[str | int], pipeline: Pipeline) -> None:
    pipeline.eval(_RECORD, len(keys), *keys, *arguments)


def _decode(name: bytes, last_seen: float, seen: bytes | None) -> MissingModule | None:
    """Return one module of the list, None for what somebody else wrote there."""
    try:
        count, first_seen, code_file, code_id = json.loads(seen or b"")
        return MissingModule(
            AskedModule(ModuleId.from_text(name.decode()), as_text(code_file), as_text(code_id)),
            count=as_count(count),
            first_seen=as_time(first_seen),
            last_seen=as_time(last_seen),
        )
    except UNREADABLE:
        return None
