"""Remembers what suppliers said when they were asked last for a module, for those who debug."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.redis_servers.keys import suppliers_key
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count, as_text, as_time
from symbolon_server.symbols.ground.module_ids import ModuleId

FOUND_SECONDS: Final = 600.0
"""How long the round of a module is kept that was found."""

_LONGEST_DETAIL: Final = 500
"""Characters of a detail line that are kept."""


@dataclass(frozen=True, slots=True)
class RememberedAttempt:
    """One supplier asked for a module."""

    supplier: str
    outcome: str
    """`found`, `missing`, `unavailable`, `malformed` or `not_asked`."""

    detail: str
    seconds: float
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class SupplierRound:
    """All suppliers that one ingest asked."""

    attempts: Sequence[RememberedAttempt]
    """In the order asked."""

    ended_at: float
    """Seconds since the Unix epoch; shown to people, never compared."""

    seconds: float
    """Of the whole ingest."""


class SupplierRounds:
    """The last round of each module, for a while; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache) -> None:
        self._cache = cache

    def remember(self, module_id: ModuleId, supplier_round: SupplierRound, seconds: float) -> None:
        """Keep a round for so many seconds, in the place of any earlier one."""
        record = asdict(supplier_round)
        for attempt in record["attempts"]:
            attempt["detail"] = attempt["detail"][:_LONGEST_DETAIL]
        self._cache.set(suppliers_key(module_id), json.dumps(record).encode(), timeout=seconds)

    def get(self, module_id: ModuleId) -> SupplierRound | None:
        """Return the last round, None when it is forgotten or cannot be read."""
        value = self._cache.get(suppliers_key(module_id))
        try:
            return None if value is None else _decode(json.loads(value))
        except UNREADABLE:
            return None


def _decode(record: dict[str, Any]) -> SupplierRound:
    attempts = [_decode_attempt(**attempt) for attempt in record["attempts"]]
    return SupplierRound(attempts, as_time(record["ended_at"]), as_time(record["seconds"]))


def _decode_attempt(
    supplier: object, outcome: object, detail: object, seconds: object, fetched_bytes: object
) -> RememberedAttempt:
    return RememberedAttempt(
        as_text(supplier),
        as_text(outcome),
        as_text(detail),
        as_time(seconds),
        as_count(fetched_bytes),
    )
