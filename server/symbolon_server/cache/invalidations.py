"""The log of invalidations, and what a process knows of it; see the package for how it works."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from symbolon_server.cache import invalidation_scripts as scripts
from symbolon_server.cache.keyed_cache import KeyedCache, sound_answers
from symbolon_server.redis_servers.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId

MOST_MODULES: Final = 10_000
"""How many modules the log remembers. Pages of any other module count as stale if they are older
than the oldest remembered invalidation: that costs another ingest and is always safe."""

_STEP_MODULES: Final = 500
"""So many block Redis for about a millisecond; each step gets its own number."""

CHANNEL: Final = "modules:invalidated"
"""The pub/sub channel on which new invalidations are announced."""

_T = TypeVar("_T")


class News(NamedTuple):
    """The invalidations after a given number."""

    numbers: dict[ModuleId, int]
    """The number of each module's last invalidation."""

    is_whole: bool
    """False if the log was full and may have dropped some of them."""

    epoch: str = ""
    """Identifies the log; compare for equality only."""

    last: int = 0
    """The log's last number."""

    is_other_log: bool = False
    """Whether the caller knew another log, or more of this one; `numbers` is then the whole log."""


class InvalidationLog:
    """The shared log of numbered invalidations; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache, most_modules: int = MOST_MODULES) -> None:
        self._cache = cache
        self._most_modules = most_modules

    def add(self, module_ids: Iterable[ModuleId], epoch: str) -> int:
        """Give these modules, at least one, new numbers and announce them; return the last number.

        Return 0 with some modules not numbered if the log has another epoch: put the lost numbers
        back first, so that the new ones are larger.
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
        """Return the remembered invalidations after `number`.

        Return all of them if the log has another epoch, or its last number is smaller.
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
        """Restore the numbers that modules had before the log was lost, and its last number."""
        named = [("", last), *((str(module_id), number) for module_id, number in numbers.items())]
        for step in _in_steps(named):
            pairs = [part for name, number in step for part in (number, name)]
            self._run(scripts.PUT_BACK, self._most_modules, CHANNEL, *pairs)

    def _run(self, script: str, *arguments: str | int) -> Any:
        return self._cache.run(
            lambda pipeline: pipeline.eval(
                script, 2, INVALIDATED_KEY, EPOCH_KEY, *map(str, arguments)
            )
        )[0]


def _in_steps(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[at : at + _STEP_MODULES] for at in range(0, len(items), _STEP_MODULES))


def _decode(names: Iterable[bytes], numbers: Iterable[bytes]) -> Iterator[tuple[ModuleId, int]]:
    """Yield modules with their numbers, without members that are not module ids."""
    for name, number in zip(names, numbers, strict=True):
        with suppress(InvalidModuleIdError):
            yield ModuleId.from_text(name.decode(errors="replace")), int(float(number))


class KnownInvalidations:
    """What one process knows of the log; `learn` takes a lock, queries take none."""

    def __init__(self, most_modules: int = MOST_MODULES) -> None:
        """Start without any invalidation."""
        self._most_modules = most_modules
        self._lock = threading.Lock()
        self._numbers: dict[ModuleId, int] = {}
        self._of_all = 0
        self._last = 0
        self._epoch = ""

    @property
    def last(self) -> int:
        """The largest known number."""
        return self._last

    @property
    def epoch(self) -> str:
        """The epoch of the log that was read last."""
        return self._epoch

    def is_stale(self, module_id: ModuleId, as_of: int) -> bool:
        """Return whether pages are stale whose ingest saw `as_of` as the last number.

        An invalidation is one of all variants of its module.
        """
        return as_of < self._of_all or as_of < self._numbers.get(module_id.plain, 0)

    def may_be_stale(self, module_id: ModuleId) -> bool:
        """Return whether any page of a module can be stale; cheaper than `is_stale`."""
        return self._of_all > 0 or (bool(self._numbers) and module_id.plain in self._numbers)

    def find_new(self, news: News) -> list[ModuleId]:
        """Return the modules whose number in `news` is larger than the known one."""
        known = self._numbers
        return [m for m, number in news.numbers.items() if number > known.get(m, 0)]

    def find_lost(self, news: News) -> dict[ModuleId, int]:
        """Return the known numbers that are missing from a new log.

        If that log is full, numbers below its oldest are not lost but dropped.
        """
        oldest = 0 if news.is_whole else min(news.numbers.values(), default=0)
        return {
            module_id: number
            for module_id, number in self._numbers.items()
            if number > max(oldest, news.numbers.get(module_id, 0))
        }

    def learn(self, news: News) -> None:
        """Add `news`; they may arrive in another order than they were read."""
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
"""Always empty: for use without an invalidation log."""
