"""What the cache knows for the insertion policy, shared by all servers and workers."""

import math
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import KeyedCache, sound_answers
from symbolon_server.insertion.ages import LEAST_EVICTION_AGE, InsertionTerms
from symbolon_server.insertion.function_uses import fingerprint, slots_for
from symbolon_server.insertion.scripts import (
    LARGEST_LOG_SCALE,
    MOST_MODULES,
    MOST_TABLE_BYTES,
    NOTE_INGESTED,
    TELL_PAGES,
    TELL_USES,
)
from symbolon_server.redis_servers.keys import (
    ASKED_PAGES_KEY,
    INGESTED_KEY,
    INSERTION_KEY,
    USED_FILES_KEY,
    USES_BYTES_KEY,
    USES_PREFIX,
)
from symbolon_server.symbols.ground.module_ids import ModuleId

SAMPLED_SHARE: Final = 8
"""One page in so many is counted."""

MOST_USES_A_STEP: Final = 500
MOST_PAGES_A_STEP: Final = 250
"""In one script, which keeps Redis busy for a few milliseconds at most."""

NEW_SAMPLE_SHARE: Final = 0.2
"""The weight of a sample in the eviction age."""

_LONGEST_AGE: Final = float(1 << 24)
"""Redis' clock of idle times starts again after so many seconds."""

_MODULE_BYTES: Final = 8


def samples_of(module_id: ModuleId, numbers: Iterable[int]) -> list[bytes]:
    """Return names for those of a module's pages that are in the sample, in any generation."""
    module = zlib.crc32(f"{module_id}:".encode())
    names = (zlib.crc32(b"%d" % number, module) for number in numbers)
    return [name.to_bytes(4, "big") for name in names if not name % SAMPLED_SHARE]


class InsertionFacts(NamedTuple):
    """The state of the insertion policy."""

    eviction_age: float | None
    """In seconds; None if the store evicts nothing."""

    scale: float
    tables: int
    """Debug files whose uses are remembered."""

    table_bytes: int


class InsertionMemory:
    """The uses, the counted misses and the eviction age; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache, wall_clock: Callable[[], float] | None = None) -> None:
        """Use the clock of the cache, or another one in tests."""
        self._cache = cache
        self._wall_clock = wall_clock

    def terms(self, module_id: ModuleId) -> InsertionTerms:
        """Return what an ingest of the module has to know, in one round trip."""

        def ask(pipeline: Pipeline) -> None:
            pipeline.hmget(INSERTION_KEY, ["eviction_age", "log_scale"])
            pipeline.get(USES_PREFIX + module_id.family)
            pipeline.zscore(INGESTED_KEY, _digest(module_id))
            pipeline.time()

        with sound_answers():
            (age, log_scale), uses, ingested_at, (seconds, microseconds) = self._cache.run(ask)
            now = seconds + microseconds / 1e6
            return InsertionTerms(
                _eviction_age(age),
                math.exp(_finite(log_scale) or 0.0),
                was_ingested=ingested_at is not None,
                uses=bytes(uses or b""),
                now=now if self._wall_clock is None else self._wall_clock(),
            )

    def facts(self) -> InsertionFacts:
        """Return what operators see, in one round trip."""

        def ask(pipeline: Pipeline) -> None:
            pipeline.hmget(INSERTION_KEY, ["eviction_age", "log_scale"])
            pipeline.zcard(USED_FILES_KEY)
            pipeline.get(USES_BYTES_KEY)

        with sound_answers():
            (age, log_scale), tables, table_bytes = self._cache.run(ask)
            scale = math.exp(min(_finite(log_scale) or 0.0, LARGEST_LOG_SCALE))
            return InsertionFacts(_eviction_age(age), scale, int(tables), int(table_bytes or 0))

    def note_ingested(self, module_id: ModuleId) -> None:
        """Remember that the module was put into the store."""
        arguments: list[str | bytes | int] = [self._time(), _digest(module_id), MOST_MODULES]
        self._cache.run(lambda p: p.eval(NOTE_INGESTED, 1, INGESTED_KEY, *arguments))

    def forget_ingested(self, module_ids: Collection[ModuleId]) -> None:
        """Forget at least one module that leaves the store for another reason than eviction."""
        digests = [_digest(module_id) for module_id in module_ids]
        self._cache.run(lambda pipeline: pipeline.zrem(INGESTED_KEY, *digests))

    def tell_uses(self, family: str, pages: int, functions: Collection[bytes]) -> None:
        """Note that these functions of `ModuleId.family`, of so many pages, were asked for now."""
        for some in _steps(functions, MOST_USES_A_STEP):
            prints = b"".join(map(fingerprint, some))
            self._cache.run(partial(self._add_uses, family, slots_for(pages), prints))

    def _add_uses(self, family: str, slots: int, prints: bytes, pipeline: Pipeline) -> None:
        keys = [USES_PREFIX + family, USED_FILES_KEY, USES_BYTES_KEY]
        arguments: list[str | bytes | int] = [
            self._time(),
            slots,
            prints,
            family,
            MOST_TABLE_BYTES,
            USES_PREFIX,
        ]
        pipeline.eval(TELL_USES, len(keys), *keys, *arguments)

    def tell_pages(self, missed: Collection[bytes], asked: Collection[bytes]) -> bool:
        """Count sampled pages that the store missed, and note those that were asked for.

        A page that is in both was missed before it was asked for. Returns whether the caller is to
        take a sample of the store.
        """
        is_due = False
        for some in _steps(missed, MOST_PAGES_A_STEP):
            is_due |= self._tell_pages(b"".join(some), b"")
        for some in _steps(asked, MOST_PAGES_A_STEP) if asked else [[]]:
            is_due |= self._tell_pages(b"", b"".join(some))
        return is_due

    def _tell_pages(self, missed: bytes, asked: bytes) -> bool:
        keys = [INSERTION_KEY, ASKED_PAGES_KEY, INGESTED_KEY]
        arguments: list[str | bytes] = [self._time(), missed, asked]
        (is_due,) = self._cache.run(
            lambda pipeline: pipeline.eval(TELL_PAGES, len(keys), *keys, *arguments)
        )
        return bool(is_due)

    def _time(self) -> str:
        return "" if self._wall_clock is None else repr(self._wall_clock())

    def note_idle_seconds(self, idle_seconds: float | None) -> None:
        """Take a sample of the store: how long its oldest keys are idle, or None if none go."""
        if idle_seconds is None:
            self._cache.run(lambda pipeline: pipeline.hdel(INSERTION_KEY, "eviction_age"))
            return
        with sound_answers():
            (known,) = self._cache.run(lambda p: p.hget(INSERTION_KEY, "eviction_age"))
            known_age = _eviction_age(known)
        age = idle_seconds
        if known_age is not None:
            age = known_age + NEW_SAMPLE_SHARE * (idle_seconds - known_age)
        age = max(LEAST_EVICTION_AGE, age)
        self._cache.run(lambda p: p.hset(INSERTION_KEY, "eviction_age", repr(age)))


def _digest(module_id: ModuleId) -> bytes:
    return blake2b(str(module_id).encode(), digest_size=_MODULE_BYTES).digest()


def _eviction_age(value: bytes | None) -> float | None:
    """Return the number, or None for anything that no store can have."""
    age = _finite(value)
    return age if age is not None and LEAST_EVICTION_AGE <= age <= _LONGEST_AGE else None


def _finite(value: bytes | None) -> float | None:
    """Return the number, or None for anything that we did not write."""
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _steps(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
