"""Runs one claimed job, from its fork to the announcement of its end."""

import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.module_memory import (
    FOUND_SECONDS,
    UNAVAILABLE_SECONDS,
    ModuleMemory,
    SupplierRound,
)
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Claim
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.ingest_process import ProcessEnding, WorkLimits, run_in_process
from symbolon_server.ingest.working.results import (
    IngestOutcome,
    IngestResult,
    add_to_metrics,
    result_of,
)
from symbolon_server.insertion.ages import ALL_NEW, InsertionTerms
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import INGEST_SECONDS, INGESTS, QUEUE_WAIT_SECONDS
from symbolon_server.telemetry.tracing.spans import Kind, Span, current_span, gathering
from symbolon_server.telemetry.tracing.tracer import Tracer

LEASE_SECONDS = 15.0
"""How long a job stays with a worker that does not renew its claim."""

MOST_ATTEMPTS = 2
"""One worker may have died for another reason; if two die with a job, the job is the reason."""

RETRY_SECONDS = 0.5
"""Between two attempts to reach a cache that is down, or to begin an ingest process."""

_RENEWALS_PER_LEASE = 5

# Created at 0: a rate would miss the first increment of a series that starts at 1.
_INGESTS = {outcome: INGESTS.labels(outcome.value) for outcome in IngestOutcome}

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Limits and times of a worker."""

    limits: WorkLimits = field(default_factory=WorkLimits)
    lease_seconds: float = LEASE_SECONDS
    stop_seconds: float = 10.0
    """How long a job may continue after SIGTERM before it is stopped and put back."""

    spool: int = 0
    """The number of this host's spool; 0 for none."""


class JobRunner:
    """Runs jobs; whatever happens to one, its module is free again within its lease."""

    def __init__(
        self,
        desk: ClaimDesk,
        ingest: Ingest,
        memory: ModuleMemory,
        insertion: InsertionMemory,
        options: WorkerOptions,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        """Run `ingest` in forks; record results in `memory` and end jobs at `desk`.

        `insertion` tells how old pages are put. With a `tracer`, jobs of traced calls have spans.
        """
        self._desk = desk
        self._ingest = ingest
        self._memory = memory
        self._insertion = insertion
        self._tracer = tracer
        self._limits = options.limits
        self._lease_seconds = options.lease_seconds

    def run(self, claim: Claim, may_go_on: Callable[[], bool]) -> None:
        """Run one job; put it back if `may_go_on` returns False before it is done."""
        if self._tracer is None or claim.trace is None:
            self._run(claim, may_go_on)
            return
        span = self._tracer.begin("process ingest", Kind.CONSUMER, claim.trace)
        with nullcontext() if span is None else _of_job(span, claim):
            self._run(claim, may_go_on)

    def _run(self, claim: Claim, may_go_on: Callable[[], bool]) -> None:
        start = time.monotonic()
        if self._has_failed_since(claim):
            self._insist(lambda: self._end(claim), may_go_on)
            return
        result = self._do(claim, may_go_on)
        if result is None:
            self._insist(lambda: self._desk.give_back(claim), may_go_on)
            return
        seconds = time.monotonic() - start
        _observe(claim, result, seconds)
        self._trace(result)
        self._insist(lambda: self.record(claim, result, seconds), may_go_on)

    def _has_failed_since(self, claim: Claim) -> bool:
        """Return whether another job for the module has failed since this one was queued."""
        try:
            return bool(self._memory.failures.get_for([claim.asked]))
        except CacheUnavailableError:
            return False

    def _do(self, claim: Claim, may_go_on: Callable[[], bool]) -> IngestResult | None:
        """Return the result, or None if the ingest was stopped or could not start."""
        if claim.attempts > MOST_ATTEMPTS:
            detail = f"{MOST_ATTEMPTS} workers in a row died while they read it"
            return IngestResult(IngestOutcome.UNAVAILABLE, detail)
        lease = _Lease(self._desk, claim, self._lease_seconds / _RENEWALS_PER_LEASE)

        def look_up() -> bool:
            lease.keep()
            return may_go_on()

        terms = self._read_terms(claim.module_id)
        end = run_in_process(lambda: self._report(claim, terms), self._limits, look_up)
        if end.ending is ProcessEnding.NOT_STARTED:
            time.sleep(RETRY_SECONDS)
        return result_of(end, self._limits)

    def _read_terms(self, module_id: ModuleId) -> InsertionTerms:
        try:
            return self._insertion.terms(module_id)
        except CacheUnavailableError:
            return ALL_NEW

    def _report(self, claim: Claim, terms: InsertionTerms) -> bytes:
        """Do the work, in the fork."""
        with gathering(current_span()) as spans:
            try:
                result = self._ingest.run(claim.asked, claim.wanted, claim.freshness, terms)
            except MemoryError:
                # The next attempt would need as much: the symbol file is the reason.
                detail = f"reading it takes more than {self._limits.memory_bytes >> 20} MiB"
                result = IngestResult(IngestOutcome.MALFORMED, detail)
        counts = self._ingest.counts
        return replace(
            result,
            counts=counts.counts(),
            attempts=counts.attempts(),
            spans=tuple(spans),
            is_spooled=self._ingest.is_spooled(claim.module_id),
        ).encode()

    def record(self, claim: Claim, result: IngestResult, seconds: float) -> None:
        """Remember the result, then announce the end: woken callers look for the result.

        Raises `CacheUnavailableError`.
        """
        failure = self._remember(claim.asked, result)
        if result.attempts:
            supplier_round = SupplierRound(result.attempts, time.time(), seconds)
            self._memory.rounds.remember(claim.module_id, supplier_round, _kept_seconds(failure))
        self._end(claim, is_spooled=result.is_spooled)

    def _trace(self, result: IngestResult) -> None:
        """Pass on the spans of an ingest process, and its outcome."""
        span = current_span()
        if span is None or self._tracer is None:
            return
        for ended in result.spans:
            self._tracer.outbox.add(ended)
        span.attributes["symbolon.outcome"] = result.outcome.value
        if result.failure not in (None, FailureKind.MISSING):
            span.error = result.outcome.value

    def _remember(self, asked: AskedModule, result: IngestResult) -> Failure | None:
        module_id, failures = asked.module_id, self._memory.failures
        if result.failure is None:
            failures.forget(module_id)
            self._memory.missing.forget([module_id.plain])
            with suppress(CacheUnavailableError):  # a hint, never worth an ingest
                self._insertion.note_ingested(module_id)
            return None
        if result.outcome is IngestOutcome.NOT_KEPT:
            return failures.remember_outage(module_id, result.detail)
        return failures.remember(
            module_id,
            result.failure,
            result.detail,
            result.retry_after_seconds,
            lacked_code_id=not asked.code_id,
        )

    def _end(self, claim: Claim, *, is_spooled: bool = False) -> None:
        """End the job, or put it back if its module was invalidated meanwhile.

        The failure is forgotten before another worker can get the job and find it.
        """
        if not self._desk.end(claim, is_spooled=is_spooled):
            self._memory.failures.forget(claim.module_id)
            self._desk.give_back(claim)

    def _insist(self, update: Callable[[], object], may_go_on: Callable[[], bool]) -> None:
        """Update the cache, and retry for the length of a lease while it is unavailable.

        After that the job goes to another worker, which finds the module in the store, in its spool
        or at the supplier: work is repeated, never lost.
        """
        deadline = time.monotonic() + self._lease_seconds
        while True:
            try:
                update()
            except CacheUnavailableError as error:
                _log.warning("cache_unavailable", detail=str(error))
                if time.monotonic() >= deadline or not may_go_on():
                    return
                time.sleep(RETRY_SECONDS)
            else:
                return


def _of_job(span: Span, claim: Claim) -> Span:
    span.attributes |= {
        "messaging.system": "redis",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "ingest",
        "symbolon.module": str(claim.module_id),
        "symbolon.attempts": claim.attempts,
        "symbolon.waited_seconds": claim.waited_seconds,
    }
    return span


class _Lease:
    """Renews a claim at intervals."""

    def __init__(self, desk: ClaimDesk, claim: Claim, every_seconds: float) -> None:
        self._desk = desk
        self._claim = claim
        self._every_seconds = every_seconds
        self._due = time.monotonic() + every_seconds

    def keep(self) -> None:
        """Renew the lease if it is due; if that fails, the next call tries again."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._every_seconds
        try:
            if not self._desk.renew(self._claim):
                _log.warning("lease_lost", module=str(self._claim.module_id))
        except CacheUnavailableError as error:
            _log.warning("cache_unavailable", detail=str(error))


def _kept_seconds(failure: Failure | None) -> float:
    """Return how long the answers of suppliers are kept for people who ask for them."""
    if failure is None:
        return FOUND_SECONDS
    least = UNAVAILABLE_SECONDS if failure.kind is FailureKind.UNAVAILABLE else 0.0
    return max(least, failure.retry_after_seconds)


def _observe(claim: Claim, result: IngestResult, seconds: float) -> None:
    add_to_metrics(result.counts)
    _INGESTS[result.outcome].inc()
    if claim.attempts == 1:
        QUEUE_WAIT_SECONDS.observe(claim.waited_seconds)
    if result.failure is None:
        INGEST_SECONDS.observe(seconds)
    _log.info(
        "ingest_ended",
        module=str(claim.module_id),
        outcome=result.outcome.value,
        detail=result.detail,
        seconds=round(seconds, 3),
        attempts=claim.attempts,
        peak_mb=round(result.peak_bytes / 1e6),
    )
