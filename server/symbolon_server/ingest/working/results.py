"""What became of one ingest, and how an ingest process tells it to its worker."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any, Self

from symbolon_server.cache.failures import FailureKind
from symbolon_server.cache.module_memory import RememberedAttempt
from symbolon_server.ingest.working.ingest_process import ProcessEnd, ProcessEnding, WorkLimits
from symbolon_server.ingest.working.work_counts import Count

_MOSTLY_READING = 0.5
"""The share of its time that an ingest must have calculated for its symbol file to be to blame; the
rest it waited for others."""


class IngestOutcome(Enum):
    """How an ingest ended."""

    INGESTED = "ingested"
    """Fetched from a supplier, read and stored."""

    FROM_SPOOL = "from_spool"
    """Stored from this host's spool, without asking any supplier."""

    HELD = "held"
    """The store had all of it already: another job was faster."""

    NOT_KEPT = "not_kept"
    """Read, but the store is down or takes nothing: no server would see it."""

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
    """One line for a person; empty when it did not fail."""

    retry_after_seconds: float | None = None
    """When a supplier asked us to try again."""

    counts: tuple[Count, ...] = ()
    """What happened on the way."""

    attempts: tuple[RememberedAttempt, ...] = ()
    """The suppliers that were asked, in order."""

    peak_bytes: int = 0
    """The most memory that its ingest process had resident; 0 where none was started."""

    @property
    def failure(self) -> FailureKind | None:
        """The kind of failure to remember, None when the module is there."""
        return _FAILURES.get(self.outcome)

    def encode(self) -> bytes:
        """Return the result as it goes through the pipe from an ingest process."""
        return json.dumps(asdict(self) | {"outcome": self.outcome.value}).encode()

    @classmethod
    def decode(cls, report: bytes) -> Self:
        """Return what `encode` was given; raise ValueError for a report that was cut."""
        fields: dict[str, Any] = json.loads(report)
        counts = tuple(Count(name, tuple(labels), n) for name, labels, n in fields["counts"])
        attempts = tuple(RememberedAttempt(**attempt) for attempt in fields["attempts"])
        outcome = IngestOutcome(fields["outcome"])
        return cls(**fields | {"outcome": outcome, "counts": counts, "attempts": attempts})


def result_of(end: ProcessEnd, limits: WorkLimits) -> IngestResult | None:
    """Return what an ingest process's end says of its module, None for one that was stopped.

    What would happen again to the same symbol file is malformed; what may have come from
    outside, as a slow supplier or a machine without memory, is unavailable.
    """
    if end.ending is ProcessEnding.STOPPED:
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
