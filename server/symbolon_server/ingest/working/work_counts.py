"""What an ingest process counts and reports to its worker, whose metrics outlive it.

An ingest process must not count in the metrics themselves: its copies end with it, or, where
several processes keep them in a folder, each would leave files there.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from symbolon_server.cache.module_memory import RememberedAttempt
from symbolon_server.store.spool import SkipReason
from symbolon_server.suppliers.chain import Attempt, AttemptOutcome
from symbolon_server.telemetry.metrics import (
    REDIS_ERRORS,
    SPOOL_SKIPS,
    SUPPLIER_BYTES,
    SUPPLIER_FETCHES,
)

_COUNTERS = {
    "redis_errors": REDIS_ERRORS.labels,
    "spool_skips": SPOOL_SKIPS.labels,
    "supplier_bytes": SUPPLIER_BYTES.labels,
    "supplier_fetches": SUPPLIER_FETCHES.labels,
}


class Count(NamedTuple):
    """By how much one metric grew."""

    metric: str
    labels: tuple[str, ...]
    amount: int


class WorkCounts:
    """Adds up what happens in one process; made before the fork, when nothing has happened."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._attempts: list[RememberedAttempt] = []

    def add_attempt(self, attempt: Attempt) -> None:
        """Count that a supplier was asked."""
        self._add("supplier_fetches", attempt.supplier, attempt.outcome.value)
        self._add("supplier_bytes", attempt.supplier, amount=attempt.fetched_bytes)
        self._attempts.append(
            RememberedAttempt(
                attempt.supplier,
                attempt.outcome.value,
                attempt.detail,
                attempt.seconds,
                attempt.fetched_bytes,
            )
        )

    def add_store_error(self, _reason: str = "") -> None:
        """Count a request that the store failed."""
        self._add("redis_errors", "store")

    def add_spool_skip(self, reason: SkipReason) -> None:
        """Count a page file that was not read or not written."""
        self._add("spool_skips", reason.value)

    def attempts(self) -> tuple[RememberedAttempt, ...]:
        """Return the suppliers that were asked, in order."""
        return tuple(self._attempts)

    def counts(self) -> tuple[Count, ...]:
        """Return what has been counted."""
        return tuple(Count(*key, amount) for key, amount in self._amounts.items())

    def _add(self, metric: str, *labels: str, amount: int = 1) -> None:
        self._amounts[metric, labels] += amount


def begin_at_zero(suppliers: Iterable[str]) -> None:
    """Tell the metrics of all suppliers, given by their names, before one is asked."""
    for supplier in suppliers:
        SUPPLIER_BYTES.labels(supplier)
        for outcome in AttemptOutcome:
            SUPPLIER_FETCHES.labels(supplier, outcome.value)


def add_to_metrics(counts: Iterable[Count]) -> None:
    """Add what an ingest process counted to the metrics of this process."""
    for count in counts:
        _COUNTERS[count.metric](*count.labels).inc(count.amount)
