"""What the cache remembers of modules: failures, requests for missing ones, supplier rounds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple, Self

from symbolon_server.cache.failures import FailureLifetimes, FailureMemory, cut
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingModules
from symbolon_server.redis_servers.keys import suppliers_key
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count, as_text, as_time
from symbolon_server.symbols.ground.module_ids import ModuleId

FOUND_SECONDS: Final = 600.0
"""How long the round of a found module is kept."""

UNAVAILABLE_SECONDS: Final = 60.0
"""How long that of an unavailable module is kept at least: its failure may last for five seconds,
too short for anyone to read it."""


@dataclass(frozen=True, slots=True)
class RememberedAttempt:
    """One request to a supplier for a file of a module."""

    supplier: str
    outcome: str
    """`found`, `missing`, `unavailable`, `malformed` or `not_asked`."""

    detail: str
    seconds: float
    fetched_bytes: int
    path: str = ""
    """The file's path below the supplier; empty if nothing was requested."""


@dataclass(frozen=True, slots=True)
class SupplierRound:
    """The suppliers that one ingest asked."""

    attempts: Sequence[RememberedAttempt]
    """In order."""

    ended_at: float
    """Unix seconds; for display only, never compared."""

    seconds: float
    """Duration of the whole ingest."""


class SupplierRounds:
    """The last round of each module, kept for a while; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache) -> None:
        self._cache = cache

    def remember(self, module_id: ModuleId, supplier_round: SupplierRound, seconds: float) -> None:
        """Keep a round for `seconds`, instead of any earlier one."""
        record = asdict(supplier_round)
        for attempt in record["attempts"]:
            for field in ("detail", "path"):
                attempt[field] = cut(attempt[field])
        self._cache.set(suppliers_key(module_id), json.dumps(record).encode(), seconds)

    def get(self, module_id: ModuleId) -> SupplierRound | None:
        """Return the last round, or None if it expired or cannot be read."""
        value = self._cache.get(suppliers_key(module_id))
        try:
            return None if value is None else _decode(json.loads(value))
        except UNREADABLE:
            return None


def _decode(record: dict[str, Any]) -> SupplierRound:
    attempts = [_decode_attempt(attempt) for attempt in record["attempts"]]
    return SupplierRound(attempts, as_time(record["ended_at"]), as_time(record["seconds"]))


def _decode_attempt(record: dict[str, Any]) -> RememberedAttempt:
    return RememberedAttempt(
        as_text(record["supplier"]),
        as_text(record["outcome"]),
        as_text(record["detail"]),
        as_time(record["seconds"]),
        as_count(record["fetched_bytes"]),
        as_text(record.get("path", "")),
    )


class ModuleMemory(NamedTuple):
    """All of it together; each part raises `CacheUnavailableError`."""

    failures: FailureMemory
    missing: MissingModules
    rounds: SupplierRounds

    @classmethod
    def of(cls, cache: KeyedCache, lifetimes: FailureLifetimes | None = None) -> Self:
        """Return what `cache` remembers, with these lifetimes for failures."""
        failures = FailureMemory(cache, lifetimes)
        return cls(failures, MissingModules(cache), SupplierRounds(cache))
