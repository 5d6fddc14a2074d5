"""The result of one ingest, with the counts that its process reports to its worker.

An ingest process cannot count in the metrics itself: its copies end with it, and in a metrics
folder that several processes share each would leave files behind.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any, NamedTuple, Self

from symbolon_server.cache.failures import FailureKind
from symbolon_server.cache.module_memory import RememberedAttempt
from symbolon_server.ingest.working.ingest_process import ProcessEnd, ProcessEnding, WorkLimits
from symbolon_server.ingest.working.putting import PageAge
from symbolon_server.store.spool import SkipReason
from symbolon_server.suppliers.chain import Attempt, AttemptOutcome
from symbolon_server.telemetry.metrics import (
    PAGES_PUT,
    REDIS_ERRORS,
    SPOOL_SKIPS,
    SUPPLIER_BYTES,
    SUPPLIER_FETCHES,
)
from symbolon_server.telemetry.tracing.spans import EndedSpan

_COUNTERS = {
    "pages_put": PAGES_PUT.labels,
    "redis_errors": REDIS_ERRORS.labels,
    "spool_skips": SPOOL_SKIPS.labels,
    "supplier_bytes": SUPPLIER_BYTES.labels,
    "supplier_fetches": SUPPLIER_FETCHES.labels,
}

_MOSTLY_READING = 0.5
"""Share of its time for which a timed-out ingest must have used the CPU to blame the symbol file
rather than a slow supplier or store."""


class Count(NamedTuple):
    """The increase of one metric."""

    metric: str
    labels: tuple[str, ...]
    amount: int


class WorkCounts:
    """Counts what happens in one process; created before the fork, at zero."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._attempts: list[RememberedAttempt] = []

    def add_attempt(self, attempt: Attempt) -> None:
        """Count a request to a supplier."""
        self._add("supplier_fetches", attempt.supplier, attempt.outcome.value)
        self._add("supplier_bytes", attempt.supplier, amount=attempt.fetched_bytes)
        self._attempts.append(
            RememberedAttempt(
                attempt.supplier,
                attempt.outcome.value,
                attempt.detail,
                attempt.seconds,
                attempt.fetched_bytes,
                attempt.path,
            )
        )

    def add_pages(self, age: PageAge, pages: int) -> None:
        """Count pages that are put, or left out."""
        self._add("pages_put", age.value, amount=pages)

    def add_store_error(self, _reason: str = "") -> None:
        """Count a failed request to the store."""
        self._add("redis_errors", "store")

    def add_spool_skip(self, reason: SkipReason) -> None:
        """Count a page file that was not read or not written."""
        self._add("spool_skips", reason.value)

    def attempts(self) -> tuple[RememberedAttempt, ...]:
        """Return the requests to suppliers, in order."""
        return tuple(self._attempts)

    def counts(self) -> tuple[Count, ...]:
        """Return all counts."""
        return tuple(Count(*key, amount) for key, amount in self._amounts.items())

    def _add(self, metric: str, *labels: str, amount: int = 1) -> None:
        self._amounts[metric, labels] += amount


def begin_at_zero(suppliers: Iterable[str]) -> None:
    """Create the metrics of pages, and of all suppliers, given by name, before the first job."""
    for age in PageAge:
        PAGES_PUT.labels(age.value)
    for supplier in suppliers:
        SUPPLIER_BYTES.labels(supplier)
        for outcome in AttemptOutcome:
            SUPPLIER_FETCHES.labels(supplier, outcome.value)


def add_to_metrics(counts: Iterable[Count]) -> None:
    """Add the counts of an ingest process to the metrics of this process."""
    for count in counts:
        _COUNTERS[count.metric](*count.labels).inc(count.amount)


class IngestOutcome(Enum):
    """How an ingest ended."""

    INGESTED = "ingested"
    """Fetched from a supplier, read and stored."""

    FROM_SPOOL = "from_spool"
    """Stored from this host's spool, without asking any supplier."""

    HELD = "held"
    """The store already had it: another job was faster."""

    NOT_KEPT = "not_kept"
    """Read, but the store is down or full, so no server would find it."""

    MISSING = "missing"
    UNAVAILABLE = "unavailable"
    MALFORMED = "malformed"


_FAILURES: Mapping[IngestOutcome, FailureKind] = {
    IngestOutcome.NOT_KEPT: FailureKind.UNAVAILABLE,
    IngestOutcome.MISSING: FailureKind.MISSING,
    IngestOutcome.UNAVAILABLE: FailureKind.UNAVAILABLE,
    IngestOutcome.MALFORMED: FailureKind.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class IngestResult:
    """How one ingest ended and, if it failed, why."""

    outcome: IngestOutcome
    detail: str = ""
    """One line for people to read; empty if it did not fail."""

    retry_after_seconds: float | None = None
    """From a supplier's `Retry-After`."""

    counts: tuple[Count, ...] = ()
    """Increases of metrics during the ingest."""

    attempts: tuple[RememberedAttempt, ...] = ()
    """The requests to suppliers, in order."""

    spans: tuple[EndedSpan, ...] = ()
    """What its process did, if the job is traced."""

    is_spooled: bool = False
    """Whether this host's spool has the module, whatever the outcome."""

    peak_bytes: int = 0
    """Peak resident memory of its process; 0 if none was started."""

    @property
    def failure(self) -> FailureKind | None:
        """The kind of failure to remember, or None if the module is in the store."""
        return _FAILURES.get(self.outcome)

    def encode(self) -> bytes:
        """Return the result as bytes for the pipe from an ingest process."""
        return json.dumps(asdict(self) | {"outcome": self.outcome.value}).encode()

    @classmethod
    def decode(cls, report: bytes) -> Self:
        """Return the inverse of `encode`; raise ValueError for a truncated report."""
        fields: dict[str, Any] = json.loads(report)
        counts = tuple(Count(name, tuple(labels), n) for name, labels, n in fields["counts"])
        attempts = tuple(RememberedAttempt(**attempt) for attempt in fields["attempts"])
        made = {
            "outcome": IngestOutcome(fields["outcome"]),
            "counts": counts,
            "attempts": attempts,
            "spans": tuple(EndedSpan(*span) for span in fields["spans"]),
        }
        return cls(**fields | made)


def result_of(end: ProcessEnd, limits: WorkLimits) -> IngestResult | None:
    """Return the result of an ingest process, or None if it was stopped or could not start.

    What would happen again with the same symbol file is malformed; what may have an external cause,
    such as a slow supplier or a host without memory, is unavailable.
    """
    if end.ending in {ProcessEnding.STOPPED, ProcessEnding.NOT_STARTED}:
        return None
    return replace(_describe(end, limits), peak_bytes=end.peak_bytes)


def _describe(end: ProcessEnd, limits: WorkLimits) -> IngestResult:
    if end.ending is ProcessEnding.REPORTED:
        return IngestResult.decode(end.report)
    if end.ending is ProcessEnding.TIMED_OUT and end.cpu_seconds > limits.seconds * _MOSTLY_READING:
        detail = f"reading it takes longer than {limits.seconds:g} seconds"
        return IngestResult(IngestOutcome.MALFORMED, detail)
    if end.ending is ProcessEnding.TIMED_OUT:
        return _unavailable(f"took longer than {limits.seconds:g} seconds")
    if end.ending is ProcessEnding.KILLED:
        return _unavailable(f"its ingest was killed ({end.signal_name})")
    if end.signal_name:
        return IngestResult(IngestOutcome.MALFORMED, f"reading it crashed ({end.signal_name})")
    return _unavailable("its ingest failed; the worker's log says why")


def _unavailable(detail: str) -> IngestResult:
    return IngestResult(IngestOutcome.UNAVAILABLE, detail)
