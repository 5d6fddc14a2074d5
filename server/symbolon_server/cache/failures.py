"""Remembers why modules are unavailable, for all servers, each kind of failure for its lifetime."""

import json
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from symbolon_server.cache.keyed_cache import CacheEntry, KeyedCache
from symbolon_server.redis_servers.keys import attempts_key, outcome_key
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count, as_text, as_time
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.backoff import Backoff

LONGEST_DETAIL = 500
"""Characters; a longer detail is cut, and ends in `…`."""

_ATTEMPTS_KEPT_SECONDS = 600.0
"""A failure later than this after the last one counts as the first."""

_ROUNDING_SECONDS = 0.01

_MOST_ATTEMPTS = 2**31 - 1
"""The largest value of the field in the API."""

OUTAGE_SECONDS = 2.0
"""How long a module's failure is remembered if its cause is an outage of the store. An outage ends
for all modules at once, and they must be available again soon after it, however long it took."""


_UNAVAILABLE = Backoff(first_seconds=5.0, longest_seconds=60.0)


class FailureKind(Enum):
    """Why a module is unavailable."""

    MISSING = "missing"
    """Each supplier said that it does not have it."""

    UNAVAILABLE = "unavailable"
    """A supplier failed, so it may have the module."""

    MALFORMED = "malformed"
    """Its symbol file cannot be read."""


class Failure(NamedTuple):
    """One remembered failure, as of when it was read."""

    kind: FailureKind
    detail: str
    """One line for humans."""

    attempts: int
    """Consecutive failures of an unavailable module; 1 for the other kinds."""

    retry_after_seconds: float
    """When the failure expires, and a request starts another ingest."""

    lacked_code_id: bool = False
    """Whether suppliers were asked without a code id, by which they may have the module."""

    def holds_for(self, asked: AskedModule) -> bool:
        """Return whether another ingest would fail as well: nothing more is known by `asked`."""
        return not (self.lacked_code_id and asked.code_id)


class FailureLifetimes(NamedTuple):
    """How long each kind is remembered, in seconds."""

    missing: float = 60.0
    malformed: float = 3600.0
    unavailable: Backoff = _UNAVAILABLE


class FailureMemory:
    """The remembered failures of modules; raises `CacheUnavailableError`."""

    def __init__(self, cache: KeyedCache, lifetimes: FailureLifetimes | None = None) -> None:
        self._cache = cache
        self._lifetimes = lifetimes or FailureLifetimes()

    def get_many(self, module_ids: Iterable[ModuleId]) -> dict[ModuleId, Failure]:
        """Return the remembered failures of these modules, in one round trip."""
        asked = list(module_ids)
        entries = self._cache.get_entries([outcome_key(module_id) for module_id in asked])
        failures = zip(asked, map(_decode, entries), strict=True)
        return {module_id: failure for module_id, failure in failures if failure is not None}

    def get_for(self, asked: Iterable[AskedModule]) -> dict[ModuleId, Failure]:
        """Return the remembered failures that hold for these requests, in one round trip."""
        by_id = {module.module_id: module for module in asked}
        failures = self.get_many(by_id)
        return {key: failure for key, failure in failures.items() if failure.holds_for(by_id[key])}

    def remember(
        self,
        module_id: ModuleId,
        kind: FailureKind,
        detail: str,
        retry_after_seconds: float | None = None,
        *,
        lacked_code_id: bool = False,
    ) -> Failure:
        """Remember a failure instead of any earlier one, and return it.

        `retry_after_seconds` is a supplier's `Retry-After`; it extends the lifetime of an
        unavailable module, up to the longest.
        """
        attempts, lifetime = 1, self._lifetimes.missing
        if kind is FailureKind.MALFORMED:
            lifetime = self._lifetimes.malformed
        elif kind is FailureKind.UNAVAILABLE:
            attempts = self._cache.increment(attempts_key(module_id), _ATTEMPTS_KEPT_SECONDS)
            lifetime = self._lifetimes.unavailable.after(attempts, retry_after_seconds)
        failure = Failure(kind, _one_line(detail), attempts, lifetime, lacked_code_id)
        return self._keep(module_id, failure)

    def remember_outage(self, module_id: ModuleId, detail: str) -> Failure:
        """Remember for a moment that the store could not be written; the module is not at fault."""
        failure = Failure(FailureKind.UNAVAILABLE, _one_line(detail), 1, OUTAGE_SECONDS)
        return self._keep(module_id, failure)

    def forget(self, *module_ids: ModuleId) -> None:
        """Forget the failures of modules that were ingested or invalidated."""
        names = [key(module_id) for module_id in module_ids for key in (outcome_key, attempts_key)]
        self._cache.delete(*names)

    def _keep(self, module_id: ModuleId, failure: Failure) -> Failure:
        lifetime = failure.retry_after_seconds
        self._cache.set(outcome_key(module_id), _encode(failure), lifetime)
        return failure


def cut(text: str) -> str:
    """Return a detail or path as it is kept."""
    return text if len(text) <= LONGEST_DETAIL else f"{text[: LONGEST_DETAIL - 1]}…"


def _one_line(detail: str) -> str:
    return cut(" ".join(detail.split()))


def _encode(failure: Failure) -> bytes:
    record = {
        "kind": failure.kind.value,
        "detail": failure.detail,
        "attempts": failure.attempts,
        "seconds": failure.retry_after_seconds,
        "lacked_code_id": failure.lacked_code_id,
    }
    return json.dumps(record, ensure_ascii=False).encode(errors="replace")


def _decode(entry: CacheEntry | None) -> Failure | None:
    """Return the failure, or None if it is absent or cannot be read.

    Redis measures lifetimes by wall-clock time. If the clock was set back, a failure would live
    longer by as much, so one with more time left than it was given counts as expired.
    """
    if entry is None:
        return None
    try:
        record = json.loads(entry.value)
        remaining_seconds = as_time(entry.remaining_seconds)  # we always set a lifetime
        if remaining_seconds > as_time(record["seconds"]) + _ROUNDING_SECONDS:
            return None
        return Failure(
            kind=FailureKind(record["kind"]),
            detail=as_text(record["detail"]),
            attempts=as_count(record["attempts"], _MOST_ATTEMPTS),
            retry_after_seconds=remaining_seconds,
            lacked_code_id=record.get("lacked_code_id") is True,
        )
    except UNREADABLE:
        return None
