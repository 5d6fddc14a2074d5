"""Counts requests for missing modules, for operators who upload symbols."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from itertools import islice
from typing import Final

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache, sound_answers
from symbolon_server.redis_servers.keys import MISSING_PREFIX
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count, as_text, as_time
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

MOST_MODULES: Final = 10_000
"""How many are remembered; the least recently requested are dropped first."""

FLUSH_SECONDS: Final = 1.0
"""The least time between two writes of one server."""

MOST_TALLIED: Final = 2_000
"""Modules in one write, which takes some 30 ms of the call that makes it. A module beyond that is
counted at its next request."""

MOST_MODULES_A_STEP: Final = 100
"""Modules in one script, which keeps Redis busy for a few milliseconds at most."""

_LAST_SEEN = MISSING_PREFIX + "last_seen"
"""A sorted set: module ids by the Unix time of their last request."""

_SEEN = MISSING_PREFIX + "seen"
"""A hash: for each module a JSON array of its number of requests, the Unix time of the first one,
and its code file and code id, if a caller sent them."""

_RECORD = """
-- KEYS: the sorted set, the hash. ARGV: the time, most modules kept, and for each module its id,
-- number of requests, code file and code id (or two empty strings).
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
    """A requested module that no supplier has; times are in Unix seconds."""

    asked: AskedModule
    count: int
    first_seen: float
    last_seen: float


class MissingModules:
    """A list shared by all servers; raises `CacheUnavailableError`.

    It is kept in two keys rather than one for each module, so that it can be bounded.
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
        """Add these numbers of requests to the counts, in steps of bounded size."""
        now, counts = self._wall_clock(), iter(requests.items())
        while step := list(islice(counts, MOST_MODULES_A_STEP)):
            arguments: list[str | int] = [repr(now), self._most_modules]
            for (module_id, code_file, code_id, _), count in step:
                arguments += [str(module_id), count, code_file, code_id]
            self._cache.run(partial(_add, arguments))

    def forget(self, module_ids: Collection[ModuleId]) -> None:
        """Drop modules that are no longer missing."""
        names = [str(module_id) for module_id in module_ids]

        def drop(pipeline: Pipeline) -> None:
            pipeline.zrem(_LAST_SEEN, *names)
            pipeline.hdel(_SEEN, *names)

        if names:
            self._cache.run(drop)

    def list(self, limit: int) -> tuple[list[MissingModule], int]:
        """Return the most requested modules, the latest first among equals, and how many there are.

        Reads all of them, which takes some 30 ms for `MOST_MODULES`.
        """

        def ask(pipeline: Pipeline) -> None:
            pipeline.zrange(_LAST_SEEN, 0, -1, withscores=True)
            pipeline.hgetall(_SEEN)

        with sound_answers():
            last_seen, seen = self._cache.run(ask)
            decoded = [_decode(name, last, seen.get(name)) for name, last in last_seen]
        modules = [module for module in decoded if module is not None]
        return nlargest(limit, modules, key=lambda m: (m.count, m.last_seen)), len(modules)


def _add(arguments: Sequence[str | int], pipeline: Pipeline) -> None:
    pipeline.eval(_RECORD, 2, _LAST_SEEN, _SEEN, *arguments)


def _decode(name: bytes, last_seen: float, seen: bytes | None) -> MissingModule | None:
    """Return one module of the list, or None if it cannot be read."""
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


class MissingTally:
    """Counts one server's requests for missing modules and writes them about once a second.

    Thread-safe. If the cache is unavailable the counts are lost, so that no call fails for them
    and nothing accumulates.
    """

    def __init__(
        self,
        missing: MissingModules,
        flush_seconds: float = FLUSH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `missing`, at most once in `flush_seconds`."""
        self._missing = missing
        self._flush_seconds = flush_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[AskedModule] = Counter()
        self._next_flush = clock()

    def note(self, modules: Collection[AskedModule]) -> None:
        """Count one request for each of these; one call in `flush_seconds` also writes them."""
        with self._lock:
            for asked in modules:
                if asked in self._requests or len(self._requests) < MOST_TALLIED:
                    self._requests[asked] += 1
            if self._clock() < self._next_flush:
                return
            self._next_flush = self._clock() + self._flush_seconds
        self.flush()

    def flush(self) -> None:
        """Write the counts since the last flush."""
        with self._lock:
            requests, self._requests = self._requests, Counter()
        with suppress(CacheUnavailableError):
            self._missing.record(requests)
