"""Queues the ingest of modules before calls need them."""

from collections.abc import Sequence
from dataclasses import replace

from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import NOBODY, IngestQueue, QueueFullError
from symbolon_server.symbolication.module_lookup import ModuleLookup, ModuleReport
from symbolon_server.symbols.ground.asked_modules import AskedModule


class Prefetcher:
    """Queues modules that no call waits for, behind those that calls wait for."""

    def __init__(self, lookup: ModuleLookup, queue: IngestQueue) -> None:
        """Queue the modules on `queue` that `lookup` does not know."""
        self._lookup = lookup
        self._queue = queue

    def prefetch(self, asked: Sequence[AskedModule], caller: str = NOBODY) -> list[ModuleReport]:
        """Queue the modules of which nothing is known; return what is known of each module then.

        Raises `CacheUnavailableError`, and `QueueFullError` if some could not be queued.
        """
        module_ids = [module.module_id for module in asked]
        reports = self._lookup.get_modules(module_ids)
        unknown = {
            module_id
            for module_id, report in zip(module_ids, reports, strict=True)
            if report == ModuleReport()
        }
        if unknown:
            wanted = dict.fromkeys(unknown, ())
            enqueued = self._queue.enqueue(wanted, Band.PREFETCH, caller, asked=asked)
            if enqueued.refused:
                count = len(enqueued.refused)
                raise QueueFullError(f"the ingest queue is full: {count} modules were not queued")
        return [
            replace(report, is_pending=True) if module_id in unknown else report
            for module_id, report in zip(module_ids, reports, strict=True)
        ]
