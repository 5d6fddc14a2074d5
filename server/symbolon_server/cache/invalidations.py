"""Which modules were to be forgotten, and when, for all servers and workers to go by.

Each invalidation has a number, larger than all before it. An ingest notes the last number that
there was when it began; what it makes is stale once its module, or so many others that nobody knows
any more, have a larger one. So nothing depends on who hears of an invalidation when: stale pages in
any store or spool, also those of an ingest that began before, are known for what they are.

The cache may lose the log: it is emptied, replaced, or fails over to a replica that lags. A log
begins with a number from Redis' clock, larger than all of a lost one, and has an epoch, which is
another one after each loss. A server that sees another epoch than the one it knows puts back what
it knows and the log lacks.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from symbolon_server.cache import invalidation_scripts as scripts
from symbolon_server.cache.keyed_cache import KeyedCache, sound_answers
from symbolon_server.redis_servers.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId

MOST_MODULES: Final = 10_000
"""How many modules are remembered. Of a module that is not, what was ingested before the oldest
invalidation that is remembered counts as stale: that costs another ingest and is never wrong."""

_STEP_MODULES: Final = 500
"""So many keep a Redis busy for about a millisecond; each step has a number of its own."""

CHANNEL: Final = "modules:invalidated"
"""Where it is announced that there are new invalidations."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class News:
    """What was invalidated after some number."""

    numbers: dict[ModuleId, int]
    """The number of each module's last invalidation."""

    is_whole: bool
    """Whether nothing between is missing, because too many came after it."""

    epoch: str = ""
    """Which log this is; a text to compare."""

    last: int = 0
    """The log's last number."""

    is_other_log: bool = False
    """Whether this is all of another log than the one that was known, or what is left of it."""


class InvalidationLog:
    """The numbered invalidations that all share; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache, most_modules: int = MOST_MODULES) -> None:
        self._cache = cache
        self._most_modules = most_modules

    def add(self, module_ids: Iterable[ModuleId], epoch: str) -> int:
        """Number these modules, at least one, and announce it; return the last number.

        Return 0, having numbered not all of them, where the log's epoch is another: what was
        lost has to be put back first, so that the new numbers are larger.
        """
        names = [str(module_id) for module_id in module_ids]
        last = 0
        for step in _in_steps(names):
            with sound_answers():
                last = int(self._run(scripts.ADD, self._most_modules, CHANNEL, epoch, *step))
            if last == 0:
                break
        return last

    def read_since(self, number: int, epoch: str) -> News:
        """Return the modules that were invalidated after `number`, as far as remembered.

        All of them where the log's epoch is another, or its last number is smaller.
        """
        with sound_answers():
            now, is_other, last, found = self._run(scripts.READ, number, epoch)
            return News(
                numbers=dict(_decode(found[::2], found[1::2])),
                is_whole=len(found) // 2 < self._most_modules,
                epoch=now.decode(errors="replace"),
                last=int(last),
                is_other_log=bool(is_other),
            )

    def put_back(self, numbers: Mapping[ModuleId, int], last: int) -> None:
        """Number modules as they were before the log was lost, and give it its last number."""
        named = [("", last), *((str(module_id), number) for module_id, number in numbers.items())]
        for step in _in_steps(named):
            pairs = [part for name, number in step for part in (number, name)]
            self._run(scripts.PUT_BACK, self._most_modules, CHANNEL, *pairs)

    def _run(self, script: str, *arguments: str | int) -> Any:
        keys = [self._cache.key(name) for name in (INVALIDATED_KEY, EPOCH_KEY)]
        return self._cache.run(
            lambda pipeline: pipeline.eval(script, len(keys), *keys, *map(str, arguments))
        )[0]


def _in_steps(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[at : at + _STEP_MODULES] for at in range(0, len(items), _STEP_MODULES))


def _decode(names: Iterable[bytes], numbers: Iterable[bytes]) -> Iterator[tuple[ModuleId, int]]:
    """Yield modules with their numbers; what somebody else wrote there names none."""
    for name, number in zip(names, numbers, strict=True):
        with suppress(InvalidModuleIdError):
            yield ModuleId.from_text(name.decode(errors="replace")), int(float(number))


class KnownInvalidations:
    """What one process knows of the log; its one lock is for learning, asking needs none."""

    def __init__(self, most_modules: int = MOST_MODULES) -> None:
        """Know of no invalidation yet."""
        self._most_modules = most_modules
        self._lock = threading.Lock()
        self._numbers: dict[ModuleId, int] = {}
        self._of_all = 0
        self._last = 0
        self._epoch = ""

    @property
    def last(self) -> int:
        """The largest number that is known."""
        return self._last

    @property
    def epoch(self) -> str:
        """Which log was read last."""
        return self._epoch

    def is_stale(self, module_id: ModuleId, as_of: int) -> bool:
        """Return whether to forget what was made of a module when `as_of` was the last number."""
        return as_of < self._of_all or as_of < self._numbers.get(module_id, 0)

    def may_be_stale(self, module_id: ModuleId) -> bool:
        """Return whether anything of a module can be stale; the cheaper question."""
        return self._of_all > 0 or module_id in self._numbers

    def find_new(self, news: News) -> list[ModuleId]:
        """Return the modules of which `news` have a larger number than the one that is known."""
        known = self._numbers
        return [m for m, number in news.numbers.items() if number > known.get(m, 0)]

    def find_lost(self, news: News) -> dict[ModuleId, int]:
        """Return the numbers that are known and that another log does not have.

        Of a log that is full, those below its oldest are no loss.
        """
        oldest = 0 if news.is_whole else min(news.numbers.values(), default=0)
        return {
            module_id: number
            for module_id, number in self._numbers.items()
            if number > max(oldest, news.numbers.get(module_id, 0))
        }

    def learn(self, news: News) -> None:
        """Know what `news` tell; any that were read before others may come after them."""
        with self._lock:
            self._epoch = news.epoch
            self._last = max(self._last, news.last)
            if not news.numbers:
                return
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
