"""Every metric, declared once.

Each floor counts at its border: in an interceptor, a store's wrapper, at the end of a job. Labels
have values from small fixed sets only, never from requests.
"""

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

CALLS = Counter(
    "symbolon_calls_total",
    "Calls answered, by method and status code.",
    ("method", "code"),
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "symbolon_call_seconds",
    "Time from the start of a call in its thread to its response or end of stream, by method.",
    ("method",),
    buckets=_CALL_SECONDS,
    registry=REGISTRY,
)
CALLS_IN_FLIGHT = Gauge(
    "symbolon_calls_in_flight",
    "Calls accepted and not answered yet, without health checks and reflection.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CALLS_REFUSED = Counter(
    "symbolon_calls_refused_total",
    "Calls refused because the limit of concurrent calls, or of unread responses, was reached.",
    registry=REGISTRY,
)
CALLS_DENIED = Counter(
    "symbolon_calls_denied_total",
    "Calls refused for a missing, unknown or insufficient token, by status code.",
    ("code",),
    registry=REGISTRY,
)
CALLS_WAITING = Gauge(
    "symbolon_calls_waiting",
    "Calls that are currently allowed to wait for an ingest.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CALL_WAIT_SECONDS = Histogram(
    "symbolon_call_wait_seconds",
    "Time that calls and stream requests waited for ingests, without those that did not wait.",
    buckets=_CALL_SECONDS,
    registry=REGISTRY,
)
CALLS_NOT_WAITING = Counter(
    "symbolon_calls_not_waiting_total",
    "Calls answered without waiting because half of the threads were already waiting.",
    registry=REGISTRY,
)
STREAMS = Gauge(
    "symbolon_streams",
    "Open streams of SymbolicateStream.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
STREAM_ANSWERS = Counter(
    "symbolon_stream_answers_total",
    "Stream requests answered, by status code.",
    ("code",),
    registry=REGISTRY,
)
FRAMES = Counter(
    "symbolon_frames_total",
    "Frames answered, by outcome; `remembered`: of a found module, without another lookup.",
    ("outcome",),
    registry=REGISTRY,
)
MODULES = Counter(
    "symbolon_modules_total",
    "Requested modules, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
LOOKUPS = Counter(
    "symbolon_lookups_total",
    "Lookups, by tier (frames, memory, store, spool) and result (hit, miss).",
    ("tier", "result"),
    registry=REGISTRY,
)
TIER_ENTRIES = Gauge(
    "symbolon_tier_entries",
    "Entries in memory, by tier (frames, memory).",
    ("tier",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
TIER_BYTES = Gauge(
    "symbolon_tier_bytes",
    "Bytes of entries in memory, by tier (frames, memory).",
    ("tier",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
TIER_MAX_BYTES = Gauge(
    "symbolon_tier_max_bytes",
    "Limit of bytes in memory, by tier (frames, memory).",
    ("tier",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
QUEUE_LENGTH = Gauge(
    "symbolon_queue_length",
    "Ingests queued and not started, by band (awaited, wanted, prefetch), of all servers.",
    ("band",),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
FOREIGN_JOBS = Counter(
    "symbolon_foreign_jobs_total",
    "Invalid entries removed from the queue, because they name no module.",
    registry=REGISTRY,
)
QUEUE_WAIT_SECONDS = Histogram(
    "symbolon_queue_wait_seconds",
    "Time from queueing an ingest to its start by a worker.",
    buckets=_INGEST_SECONDS,
    registry=REGISTRY,
)
REDIS_ERRORS = Counter(
    "symbolon_redis_errors_total",
    "Redis requests that failed or timed out, by server (store, cache).",
    ("server",),
    registry=REGISTRY,
)
THREAD_ERRORS = Counter(
    "symbolon_thread_errors_total",
    "Unexpected errors in background threads, which continued, by thread.",
    ("thread",),
    registry=REGISTRY,
)
SPOOL_SKIPS = Counter(
    "symbolon_spool_skips_total",
    "Page files not read or not written, by reason.",
    ("reason",),
    registry=REGISTRY,
)
SUPPLIER_FETCHES = Counter(
    "symbolon_supplier_fetches_total",
    "Symbol files requested by completed ingests, by supplier and outcome; "
    "`not_asked`: skipped after failures.",
    ("supplier", "outcome"),
    registry=REGISTRY,
)
SUPPLIER_BYTES = Counter(
    "symbolon_supplier_bytes_total",
    "Bytes fetched by completed ingests, as sent, by supplier.",
    ("supplier",),
    registry=REGISTRY,
)
INGESTS = Counter(
    "symbolon_ingests_total",
    "Completed ingests, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
INGEST_SECONDS = Histogram(
    "symbolon_ingest_seconds",
    "Time from the start of an ingest to the write of its page directory to the store.",
    buckets=_INGEST_SECONDS,
    registry=REGISTRY,
)


def all_metrics() -> tuple[MetricWrapperBase, ...]:
    """Return every metric declared in this module, in the order of declaration."""
    return tuple(value for value in globals().values() if isinstance(value, MetricWrapperBase))


def metrics_table() -> str:
    """Return all metrics as a Markdown table, in the order of declaration."""
    head = ["| metric | kind | meaning |", "|---|---|---|"]
    families = [family for metric in all_metrics() for family in metric.describe()]
    rows = [
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` "
        f"| {family.type} | {family.documentation} |"
        for family in families
    ]
    return "\n".join([*head, *rows])
