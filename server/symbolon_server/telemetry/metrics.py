"""Every metric, declared once.

Each floor counts at its border: in an interceptor, a store's wrapper, at the end of a job. Labels
have values from small fixed sets only, never from requests.
"""

from collections.abc import Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from symbolon_server.telemetry.tallies import BeforeReading

REGISTRY = CollectorRegistry(auto_describe=True)
"""Contains the metrics below only, without process or platform collectors."""

BEFORE_READING = BeforeReading()
"""Called whenever the metrics are read, from the registry or from files."""

REGISTRY.register(BEFORE_READING)  # first, so that the metrics below are read after it

_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_INGEST_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

_Mode = Literal["livesum", "livemax"]
"""How values of several processes are combined."""


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str, mode: _Mode = "livesum") -> Gauge:
    return Gauge(name, meaning, labels, registry=REGISTRY, multiprocess_mode=mode)


def _histogram(name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Histogram:
    return Histogram(name, meaning, labels, buckets=buckets, registry=REGISTRY)


CALLS = _counter(
    "symbolon_calls_total", "Calls answered, by method and status code.", "method", "code"
)
CALL_SECONDS = _histogram(
    "symbolon_call_seconds",
    "Time from the start of a call in its thread to its response or end of stream, by method.",
    _CALL_SECONDS,
    "method",
)
CALLS_IN_FLIGHT = _gauge(
    "symbolon_calls_in_flight",
    "Calls accepted and not answered yet, without health checks and reflection.",
)
CALLS_REFUSED = _counter(
    "symbolon_calls_refused_total",
    "Calls refused because the limit of concurrent calls, or of unread responses, was reached.",
)
CALLS_DENIED = _counter(
    "symbolon_calls_denied_total",
    "Calls refused for a missing, unknown or insufficient token, by status code.",
    "code",
)
CALLS_WAITING = _gauge(
    "symbolon_calls_waiting", "Calls that are currently allowed to wait for an ingest."
)
CALL_WAIT_SECONDS = _histogram(
    "symbolon_call_wait_seconds",
    "Time that calls and stream requests waited for ingests, without those that did not wait.",
    _CALL_SECONDS,
)
CALLS_NOT_WAITING = _counter(
    "symbolon_calls_not_waiting_total",
    "Calls answered without waiting because half of the threads were already waiting.",
)
STREAMS = _gauge("symbolon_streams", "Open streams of SymbolicateStream.")
STREAM_ANSWERS = _counter(
    "symbolon_stream_answers_total", "Stream requests answered, by status code.", "code"
)
FRAMES = _counter(
    "symbolon_frames_total",
    "Frames answered, by outcome; `remembered`: of a found module, without another lookup.",
    "outcome",
)
MODULES = _counter("symbolon_modules_total", "Requested modules, by outcome.", "outcome")
LOOKUPS = _counter(
    "symbolon_lookups_total",
    "Lookups, by tier (frames, memory, store, spool) and result (hit, miss).",
    "tier",
    "result",
)
TIER_ENTRIES = _gauge(
    "symbolon_tier_entries", "Entries in memory, by tier (frames, memory).", "tier"
)
TIER_BYTES = _gauge(
    "symbolon_tier_bytes", "Bytes of entries in memory, by tier (frames, memory).", "tier"
)
TIER_MAX_BYTES = _gauge(
    "symbolon_tier_max_bytes", "Limit of bytes in memory, by tier (frames, memory).", "tier"
)
QUEUE_LENGTH = _gauge(
    "symbolon_queue_length",
    "Ingests queued and not started, by band (awaited, wanted, prefetch), of all servers.",
    "band",
    mode="livemax",
)
FOREIGN_JOBS = _counter(
    "symbolon_foreign_jobs_total",
    "Invalid entries removed from the queue, because they name no module.",
)
QUEUE_WAIT_SECONDS = _histogram(
    "symbolon_queue_wait_seconds",
    "Time from queueing an ingest to its start by a worker.",
    _INGEST_SECONDS,
)
REDIS_ERRORS = _counter(
    "symbolon_redis_errors_total",
    "Redis requests that failed or timed out, by server (store, cache).",
    "server",
)
THREAD_ERRORS = _counter(
    "symbolon_thread_errors_total",
    "Unexpected errors in background threads, which continued, by thread.",
    "thread",
)
SPOOL_SKIPS = _counter(
    "symbolon_spool_skips_total", "Page files not read or not written, by reason.", "reason"
)
SUPPLIER_FETCHES = _counter(
    "symbolon_supplier_fetches_total",
    "Files requested by completed ingests, by supplier and outcome; "
    "`not_asked`: skipped after failures.",
    "supplier",
    "outcome",
)
SUPPLIER_BYTES = _counter(
    "symbolon_supplier_bytes_total",
    "Bytes fetched by completed ingests, as sent, by supplier.",
    "supplier",
)
INGESTS = _counter("symbolon_ingests_total", "Completed ingests, by outcome.", "outcome")
INGEST_SECONDS = _histogram(
    "symbolon_ingest_seconds",
    "Time from the start of an ingest to the write of its page directory to the store.",
    _INGEST_SECONDS,
)

PAGES_PUT = _counter(
    "symbolon_pages_put_total",
    "Pages of ingests by how they were put into the store: new, aged (as if idle for some time), "
    "left_out (the store would soon evict them).",
    "age",
)
EVICTION_AGE_SECONDS = _gauge(
    "symbolon_eviction_age_seconds",
    "Idle time at which the store evicts a page, as all servers know it; 0 if it evicts none.",
    mode="livemax",
)
INSERTION_SCALE = _gauge(
    "symbolon_insertion_scale",
    "Factor of all insertion ages, which misses raise and lower; 1 at first.",
    mode="livemax",
)
USE_TABLES = _gauge(
    "symbolon_use_tables",
    "Debug files whose uses of functions the cache remembers, for insertion ages.",
    mode="livemax",
)
USE_TABLE_BYTES = _gauge(
    "symbolon_use_table_bytes", "Bytes of these tables of uses in the cache.", mode="livemax"
)
SPANS = _counter(
    "symbolon_spans_total",
    "Spans of traces, by result: sent to the collector, or lost because it did not take them in "
    "time.",
    "result",
)


def all_metrics() -> tuple[MetricWrapperBase, ...]:
    """Return every metric declared in this module, in the order of declaration."""
    return tuple(value for value in globals().values() if isinstance(value, MetricWrapperBase))
