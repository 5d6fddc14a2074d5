"""Which modules were to be forgotten, and when, for all servers and workers to go by.

Each invalidation has a number, larger than all before it. An ingest notes the last number that
there was when it began; what it makes is stale once its module, or so many others that nobody knows
any more, have a larger one. So nothing depends on who hears of an invalidation when: stale pages in
any store or spool, also those of an ingest that began before, are known for what they are.
"""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.keys import INVALIDATED_KEY
from symbolon_server.symbols.module_ids import InvalidModuleIdError, ModuleId

MOST_MODULES: Final = 10_000
"""How many modules are remembered. Of a module that is not, what was ingested before the oldest
invalidation that is remembered counts as stale: that costs another ingest and is never wrong."""

_STEP_MODULES: Final = 500
"""So many keep a Redis busy for about a millisecond; each step has a number of its own."""

CHANNEL: Final = "modules:invalidated"
"""Where it is announced that there are new invalidations."""

_ADD: Final = """
-- KEYS: the sorted set of modules by number. ARGV: most modules kept, the channel, module ids.
-- The number is a time only so that it grows even when this server forgets everything.
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local time = redis.call('TIME')
local number = math.max(time[1] * 1000000 + time[2], (tonumber(last) or 0) + 1)
for at = 3, #ARGV do
  redis.call('ZADD', KEYS[1], number, ARGV[at])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[1])
redis.call('PUBLISH', ARGV[2], number)
return number
"""


@dataclass(frozen=True, slots=True)
class News:
    """What was invalidated after some number."""

    numbers: dict[ModuleId, int]
    """The number of each module's last invalidation."""

    is_whole: bool
    """Whether nothing between is missing, because too many came after it."""


class InvalidationLog:
    """The numbered invalidations that all share; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache, most_modules: int = MOST_MODULES) -> None:
        self._cache = cache
        self._most_modules = most_modules

    def add(self, module_ids: Collection[ModuleId]) -> int:
        """Number these modules, at least one, and announce it; return the last number."""
        names = [str(module_id) for module_id in module_ids]
        steps = [names[at : at + _STEP_MODULES] for at in range(0, len(names), _STEP_MODULES)]
        return [self._add(step) for step in steps][-1]

    def _add(self, names: Sequence[str]) -> int:
        arguments = [str(self._most_modules), CHANNEL, *names]
        key = self._cache.key(INVALIDATED_KEY)
        return int(self._cache.run(lambda pipeline: pipeline.eval(_ADD, 1, key, *arguments))[0])

    def read_since(self, number: int) -> News:
        """Return the modules that were invalidated after `number`, as far as remembered."""
        key = self._cache.key(INVALIDATED_KEY)
        found: list[tuple[bytes, float]] = self._cache.run(
            lambda pipeline: pipeline.zrangebyscore(key, f"({number}", "+inf", withscores=True)
        )[0]
        return News(dict(_decode(found)), len(found) < self._most_modules)


def _decode(found: Iterable[tuple[bytes, float]]) -> Iterator[tuple[ModuleId, int]]:
    """Yield modules with their numbers; what somebody else wrote there names none."""
    for name, number in found:
        with suppress(InvalidModuleIdError):
            yield ModuleId.from_text(name.decode(errors="replace")), int(number)


class KnownInvalidations:
    """What one process knows of the log; its one lock is for learning, asking needs none."""

    def __init__(self, most_modules: int = MOST_MODULES) -> None:
        """Know of no invalidation yet."""
        self._most_modules = most_modules
        self._lock = threading.Lock()
        self._numbers: dict[ModuleId, int] = {}
        self._of_all = 0
        self._last = 0

    @property
    def last(self) -> int:
        """The largest number that is known."""
        return self._last

    def is_stale(self, module_id: ModuleId, as_of: int) -> bool:
        """Return whether to forget what was made of a module when `as_of` was the last number."""
        return as_of < self._of_all or as_of < self._numbers.get(module_id, 0)

    def may_be_stale(self, module_id: ModuleId) -> bool:
        """Return whether anything of a module can be stale; the cheaper question."""
        return self._of_all > 0 or module_id in self._numbers

    def learn(self, news: News) -> None:
        """Know what `news` tell; any that were read before others may come after them."""
        if not news.numbers:
            return
        with self._lock:
            numbers = dict(self._numbers)
            for module_id, number in news.numbers.items():
                numbers[module_id] = max(number, numbers.get(module_id, 0))
            if not news.is_whole:
                self._of_all = max(self._of_all, min(news.numbers.values()))
            if len(numbers) > self._most_modules:
                by_number = sorted(numbers.items(), key=lambda item: item[1])
                numbers = dict(by_number[-self._most_modules :])
                self._of_all = max(self._of_all, by_number[-self._most_modules][1])
            self._numbers = numbers
            self._last = max(self._last, *news.numbers.values())


NO_INVALIDATIONS: Final = KnownInvalidations()
"""Knows of none, and never learns: for where there is nobody to tell."""
