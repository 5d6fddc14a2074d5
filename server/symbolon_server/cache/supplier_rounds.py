"""Remembers what suppliers said when they were asked last for a module, for those who debug."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.keys import suppliers_key
from symbolon_server.symbols.module_ids import ModuleId

KEPT_SECONDS: Final = 24 * 3600.0

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
    """The last round of each module, kept for a day; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache) -> None:
        self._cache = cache

    def remember(self, module_id: ModuleId, supplier_round: SupplierRound) -> None:
        """Keep a round in the place of any earlier one."""
        record = asdict(supplier_round)
        for attempt in record["attempts"]:
            attempt["detail"] = attempt["detail"][:_LONGEST_DETAIL]
        self._cache.set(suppliers_key(module_id), json.dumps(record).encode(), timeout=KEPT_SECONDS)

    def get(self, module_id: ModuleId) -> SupplierRound | None:
        """Return the last round, None when it is forgotten or cannot be read."""
        value = self._cache.get(suppliers_key(module_id))
        try:
            return None if value is None else _decode(json.loads(value))
        except (ValueError, KeyError, TypeError):
            return None


def _decode(record: dict[str, Any]) -> SupplierRound:
    attempts = [RememberedAttempt(**attempt) for attempt in record["attempts"]]
    return SupplierRound(attempts, record["ended_at"], record["seconds"])
