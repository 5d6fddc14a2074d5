"""An ingest worker for tests, as `symbolon-server worker` builds one."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.ingest_process import WorkLimits
from symbolon_server.ingest.working.job_runner import WorkerOptions
from symbolon_server.ingest.working.results import WorkCounts
from symbolon_server.ingest.working.supplier_pauses import SharedPauses
from symbolon_server.ingest.working.worker import run_worker
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.telemetry.logs import LogFormat, configure_logs


def make_supplier(text: str) -> Supplier:
    if text.startswith("http"):
        return HttpSupplier(ServerUrl.parse(text), "symbolon/test")
    return DirectorySupplier(Path(text))


def make_options(spool: Spool | None, limits: Any, others: Any) -> WorkerOptions:
    number = 0 if spool is None else spool.number()
    return WorkerOptions(WorkLimits(**limits), spool=number, **others)


def run(arguments: Sequence[str]) -> int:
    """Work; the arguments are the URLs of cache and store, a supplier, a spool or -, and JSON."""
    cache_url, store_url, supplier, folder, options = arguments
    configure_logs(sys.stderr, LogFormat.TEXT, "info")
    counts = WorkCounts()
    pauses = SharedPauses(KeyedCache(connect(cache_url)))
    spool = None if folder == "-" else Spool(Path(folder), 1 << 30)
    ingest = Ingest(
        SupplierChain([make_supplier(supplier)], counts.add_attempt, pauses),
        RedisPageStore(connect(store_url)),
        spool,
        counts,
    )
    memory = ModuleMemory.of(KeyedCache(connect(cache_url)))
    insertion = InsertionMemory(KeyedCache(connect(cache_url)))
    made = make_options(spool, **json.loads(options))
    run_worker(connect(cache_url), ingest, memory, insertion, made)
    return 0
