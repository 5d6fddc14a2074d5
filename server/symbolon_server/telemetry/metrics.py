"""Every metric, declared once.

A floor counts at its border: an interceptor, a store's wrapper, the end of a job. Labels
take values from small closed sets only, never from requests.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from symbolon_server.telemetry.tallies import BeforeReading

REGISTRY = CollectorRegistry(auto_describe=True)
"""Holds the metrics below and nothing else: no process or platform collectors."""

BEFORE_READING = BeforeReading()
"""What is called whenever the metrics are read, by the registry or by who keeps them in files."""

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
    "Time from the start of a call's thread to its answer, or a stream's to its end, by method.",
    ("method",),
    buckets=_CALL_SECONDS,
    registry=REGISTRY,
)
CALLS_IN_FLIGHT = Gauge(
    "symbolon_calls_in_flight",
    "Calls accepted and not answered yet, health checks and reflection left out.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CALLS_REFUSED = Counter(
    "symbolon_calls_refused_total",
    "Calls refused because the server held all the calls, or unread answers, that it may.",
    registry=REGISTRY,
)
CALLS_DENIED = Counter(
    "symbolon_calls_denied_total",
    "Calls refused for their token, or for having none, by status code.",
    ("code",),
    registry=REGISTRY,
)
CALLS_WAITING = Gauge(
    "symbolon_calls_waiting",
    "Calls that may wait for an ingest at this moment.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CALL_WAIT_SECONDS = Histogram(
    "symbolon_call_wait_seconds",
    "Time that calls, and requests of streams, waited for ingests; only of those that did.",
    buckets=_CALL_SECONDS,
    registry=REGISTRY,
)
CALLS_NOT_WAITING = Counter(
    "symbolon_calls_not_waiting_total",
    "Calls answered without waiting because half of the threads were waiting already.",
    registry=REGISTRY,
)
STREAMS = Gauge(
    "symbolon_streams",
    "Streams of SymbolicateStream that are open.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
STREAM_ANSWERS = Counter(
    "symbolon_stream_answers_total",
    "Requests of streams answered, by status code.",
    ("code",),
    registry=REGISTRY,
)
FRAMES = Counter(
    "symbolon_frames_total",
    "Frames answered, by outcome; `remembered`: from a found module, without another look.",
    ("outcome",),
    registry=REGISTRY,
)
MODULES = Counter(
    "symbolon_modules_total",
    "Modules asked for, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
LOOKUPS = Counter(
    "symbolon_lookups_total",
    "Things looked up, by tier (frames, memory, store, spool) and result (hit, miss).",
    ("tier", "result"),
    registry=REGISTRY,
)
TIER_ENTRIES = Gauge(
    "symbolon_tier_entries",
    "Things held in memory, by tier (frames, memory).",
    ("tier",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
TIER_BYTES = Gauge(
    "symbolon_tier_bytes",
    "Bytes of what is held in memory, by tier (frames, memory).",
    ("tier",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
TIER_MAX_BYTES = Gauge(
    "symbolon_tier_max_bytes",
    "Bytes that may be held in memory, by tier (frames, memory).",
    ("tier",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
QUEUE_LENGTH = Gauge(
    "symbolon_queue_length",
    "Ingests queued and not started, by band (awaited, wanted, prefetch), for all servers.",
    ("band",),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
FOREIGN_JOBS = Counter(
    "symbolon_foreign_jobs_total",
    "Entries of the queue that name no module and were removed.",
    registry=REGISTRY,
)
QUEUE_WAIT_SECONDS = Histogram(
    "symbolon_queue_wait_seconds",
    "Time that ingests were queued until a worker took them.",
    buckets=_INGEST_SECONDS,
    registry=REGISTRY,
)
REDIS_ERRORS = Counter(
    "symbolon_redis_errors_total",
    "Requests to a Redis that failed or timed out, by server (store, cache).",
    ("server",),
    registry=REGISTRY,
)
THREAD_ERRORS = Counter(
    "symbolon_thread_errors_total",
    "Errors that nobody expected in threads that serve for ever and went on, by thread.",
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
    "Symbol files that ingests which came to their end asked for, by supplier and outcome; "
    "`not_asked`: it is left alone after failures.",
    ("supplier", "outcome"),
    registry=REGISTRY,
)
SUPPLIER_BYTES = Counter(
    "symbolon_supplier_bytes_total",
    "Bytes fetched by ingests that came to their end, as sent, by supplier.",
    ("supplier",),
    registry=REGISTRY,
)
INGESTS = Counter(
    "symbolon_ingests_total",
    "Ingests ended, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
INGEST_SECONDS = Histogram(
    "symbolon_ingest_seconds",
    "Time from the start of an ingest to its page directory in the store.",
    buckets=_INGEST_SECONDS,
    registry=REGISTRY,
)


def all_metrics() -> tuple[MetricWrapperBase, ...]:
    """Return every metric declared in this module, in the order of declaration."""
    return tuple(value for value in globals().values() if isinstance(value, MetricWrapperBase))
