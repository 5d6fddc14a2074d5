"""Remembers why a module could not be had, for all servers, each kind for its own time."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from symbolon_server.cache.keyed_cache import CacheEntry, KeyedCache
from symbolon_server.redis_servers.keys import attempts_key, outcome_key
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count, as_text, as_time
from symbolon_server.symbols.ground.module_ids import ModuleId

LONGEST_DETAIL = 500
"""Characters of a detail line that are kept."""

_ATTEMPTS_KEPT_SECONDS = 600.0
"""How long after the last failure a module counts as failing again rather than anew."""

_ROUNDING_SECONDS = 0.01

_MOST_ATTEMPTS = 2**31 - 1
"""What the API can tell."""

OUTAGE_SECONDS = 2.0
"""How long an outage of the store is remembered of a module: it ends for all modules at once, and
they must be there again soon after, however long it took."""


class FailureKind(Enum):
    """Why a module could not be had."""

    MISSING = "missing"
    """No supplier has it, and each said so."""

    UNAVAILABLE = "unavailable"
    """A supplier failed, so one of them may have it."""

    MALFORMED = "malformed"
    """Its symbol file cannot be read."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One remembered failure, as of when it was read."""

    kind: FailureKind
    detail: str
    """One line for a person."""

    attempts: int
    """How often in a row it was unavailable; 1 for the other kinds."""

    retry_after_seconds: float
    """When it will be forgotten, and a request will try again."""


@dataclass(frozen=True, slots=True)
class FailureLifetimes:
    """How long each kind is remembered, in seconds."""

    missing: float = 60.0
    malformed: float = 3600.0
    unavailable_first: float = 5.0
    """After the first failure; doubled with each further one in a row."""

    unavailable_longest: float = 60.0

    def for_unavailable(self, attempts: int, retry_after_seconds: float | None) -> float:
        """Return the lifetime after `attempts` failures, longer when the supplier asks for it."""
        doublings = min(attempts - 1, 32)
        grown = self.unavailable_first * 2.0**doublings
        return min(max(grown, retry_after_seconds or 0.0), self.unavailable_longest)


class FailureMemory:
    """What is known of modules that could not be had; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache, lifetimes: FailureLifetimes | None = None) -> None:
        self._cache = cache
        self._lifetimes = lifetimes or FailureLifetimes()

    def get_many(self, module_ids: Iterable[ModuleId]) -> dict[ModuleId, Failure]:
        """Return the failures that are remembered of these modules, in one round trip."""
        asked = list(module_ids)
        entries = self._cache.get_entries([outcome_key(module_id) for module_id in asked])
        failures = zip(asked, map(_decode, entries), strict=True)
        return {module_id: failure for module_id, failure in failures if failure is not None}

    def remember(
        self,
        module_id: ModuleId,
        kind: FailureKind,
        detail: str,
        retry_after_seconds: float | None = None,
    ) -> Failure:
        """Keep a failure in the place of any earlier one, and return it.

        `retry_after_seconds` is what a supplier asked for; it lengthens the lifetime of an
        unavailable module up to the longest.
        """
        attempts, lifetime = 1, self._lifetimes.missing
        if kind is FailureKind.MALFORMED:
            lifetime = self._lifetimes.malformed
        elif kind is FailureKind.UNAVAILABLE:
            attempts = self._cache.increment(
                attempts_key(module_id), timeout=_ATTEMPTS_KEPT_SECONDS
            )
            lifetime = self._lifetimes.for_unavailable(attempts, retry_after_seconds)
        return self._keep(module_id, Failure(kind, _one_line(detail), attempts, lifetime))

    def remember_outage(self, module_id: ModuleId, detail: str) -> Failure:
        """Keep for a moment that the store took nothing, which is no fault of the module's."""
        failure = Failure(FailureKind.UNAVAILABLE, _one_line(detail), 1, OUTAGE_SECONDS)
        return self._keep(module_id, failure)

    def forget(self, *module_ids: ModuleId) -> None:
        """Know nothing of modules any more: they were ingested, or new symbols announced."""
        names = [key(module_id) for module_id in module_ids for key in (outcome_key, attempts_key)]
        self._cache.delete(*names)

    def _keep(self, module_id: ModuleId, failure: Failure) -> Failure:
        lifetime = failure.retry_after_seconds
        self._cache.set(outcome_key(module_id), _encode(failure), timeout=lifetime)
        return failure


def _one_line(detail: str) -> str:
    return " ".join(detail.split())[:LONGEST_DETAIL]


def _encode(failure: Failure) -> bytes:
    record = {
        "kind": failure.kind.value,
        "detail": failure.detail,
        "attempts": failure.attempts,
        "seconds": failure.retry_after_seconds,
    }
    return json.dumps(record, ensure_ascii=False).encode(errors="replace")


def _decode(entry: CacheEntry | None) -> Failure | None:
    """Return the failure; None too for what somebody else wrote and this version cannot read.

    Redis counts lifetimes by the time of day. When that was set back, a failure would live for as
    much longer: one that has more to live than it was given is over.
    """
    if entry is None:
        return None
    try:
        record = json.loads(entry.value)
        remaining_seconds = as_time(entry.remaining_seconds)  # one without a lifetime is not ours
        if remaining_seconds > as_time(record["seconds"]) + _ROUNDING_SECONDS:
            return None
        return Failure(
            kind=FailureKind(record["kind"]),
            detail=as_text(record["detail"]),
            attempts=as_count(record["attempts"], _MOST_ATTEMPTS),
            retry_after_seconds=remaining_seconds,
        )
    except UNREADABLE:
        return None
