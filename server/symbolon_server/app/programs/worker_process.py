"""One process that takes ingests from the queue."""

from symbolon_server.app.process.collector import resume_collector
from symbolon_server.app.wiring.from_settings import (
    count_cache_error,
    lifetimes_of,
    spool_of,
    store_of,
)
from symbolon_server.app.wiring.redis_connections import timeouts_of
from symbolon_server.app.wiring.suppliers import suppliers_of
from symbolon_server.app.wiring.tracing import tracer_of
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.ingest.working.file_reading import ModuleFileReader
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.ingest_process import WorkLimits
from symbolon_server.ingest.working.job_runner import WorkerOptions
from symbolon_server.ingest.working.results import WorkCounts, begin_at_zero
from symbolon_server.ingest.working.supplier_pauses import PauseLengths, SharedPauses
from symbolon_server.ingest.working.worker import WAIT_SECONDS, run_worker
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.redis_servers.servers import Timeouts, connect
from symbolon_server.settings import Settings
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.pulse import Pulse

_LONGEST_WAIT_SECONDS = WAIT_SECONDS + 2.0
"""Timeout of the client that waits for jobs; after it, it gives up on a cache that hangs."""

_COLLECTOR_SECONDS = 1.0
"""For sending spans, for which the next job waits; see `Outbox` for what follows a failure."""

_log = EventLog(__name__)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, from the main thread; raise `StartError`."""
    tracer = tracer_of(settings, "symbolon-worker", _COLLECTOR_SECONDS)
    suppliers = suppliers_of(settings)
    if not suppliers:
        _log.warning("no_suppliers", detail="every module will be missing: SYMBOLON_SUPPLIERS")
    memory_client = connect(settings.cache_url, timeouts_of(settings))
    jobs_client = connect(
        settings.cache_url, Timeouts(settings.redis_timeout_seconds, _LONGEST_WAIT_SECONDS)
    )
    counts = WorkCounts()
    # With its own client, which connects in the fork.
    pauses = SharedPauses(
        KeyedCache(connect(settings.cache_url, timeouts_of(settings))),
        PauseLengths(try_seconds=settings.ingest_seconds),
    )
    chain = SupplierChain(suppliers, counts.add_attempt, pauses)
    begin_at_zero(chain.names)
    spool = spool_of(settings, counts.add_spool_skip)
    ingest = Ingest(
        chain,
        store_of(settings, counts.add_store_error),
        spool,
        counts,
        reader=ModuleFileReader(
            settings.fetch_dir, settings.max_unpacked_bytes, are_demangled=settings.demangle
        ),
    )
    resume_collector()
    cache = KeyedCache(memory_client, on_error=count_cache_error)
    run_worker(
        jobs_client,
        ingest,
        ModuleMemory.of(cache, lifetimes_of(settings)),
        InsertionMemory(cache),
        _options_of(settings, spool),
        pulse=Pulse.for_parent(),
        tracer=tracer,
    )
    pauses.end_tries(chain.names)


def _options_of(settings: Settings, spool: Spool) -> WorkerOptions:
    """Return the limits of each ingest, and the number of the spool."""
    limits = WorkLimits(memory_bytes=settings.ingest_memory_bytes, seconds=settings.ingest_seconds)
    return WorkerOptions(
        limits=limits, stop_seconds=settings.worker_stop_seconds, spool=spool.number()
    )
