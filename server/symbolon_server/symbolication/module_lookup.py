"""What is known of modules, for operators, and prefetching those of which nothing is known."""

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from symbolon_server.cache.failures import Failure
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import NOBODY, IngestQueue, QueueFullError
from symbolon_server.symbolication.looking_up.new_frames import (
    PENDING_RETRY_SECONDS,
    failed_result,
)
from symbolon_server.symbolication.looking_up.tiers import CallTiers, Tiers
from symbolon_server.symbolication.memory.queries import (
    Diagnostics,
    ModuleOutcome,
    ModuleResult,
    found_result,
)
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory
from symbolon_server.symbols.paging.directory import decode_if_whole

_NOTHING_KNOWN: Final = "it was not requested yet, or it was forgotten since"

FindEnded = Callable[[Collection[ModuleId]], Collection[ModuleId]]
"""Returns the modules that have no ingest queued or running; raises `CacheUnavailableError`."""


class ModuleReport(NamedTuple):
    """What is known of a module; empty if nothing is."""

    directory: PageDirectory | None = None
    failure: Failure | None = None
    is_pending: bool = False
    """Its ingest is queued or running."""

    def is_unknown_for(self, asked: AskedModule) -> bool:
        """Return whether an ingest may find what is not known yet."""
        if self.failure is not None:
            return not self.failure.holds_for(asked)
        return self.directory is None and not self.is_pending

    def result(self) -> ModuleResult:
        """Return the result that a request for a frame in the module would get."""
        if self.directory is not None:
            return found_result(self.directory.facts)
        if self.failure is not None:
            return failed_result(self.failure)
        if self.is_pending:
            return ModuleResult(ModuleOutcome.PENDING, "", PENDING_RETRY_SECONDS)
        return ModuleResult(ModuleOutcome.NOT_REFERENCED, _NOTHING_KNOWN)


class ModuleLookup:
    """Queries store, spool, remembered failures and the queue; starts no ingest."""

    def __init__(self, tiers: Tiers, find_ended: FindEnded) -> None:
        """Query `tiers`, and ask `find_ended` which modules are not pending."""
        self._tiers = tiers
        self._find_ended = find_ended

    def get_modules(self, module_ids: Sequence[ModuleId]) -> list[ModuleReport]:
        """Return what is known of each module, in the order requested, in a few round trips.

        Raises `CacheUnavailableError` if failures or the queue cannot be read.
        """
        stored = CallTiers(self._tiers, Diagnostics()).get_directories(module_ids)
        directories = {
            module_id: decode_if_whole(module_id, data)
            for module_id, data in zip(module_ids, stored, strict=True)
        }
        rest = [module_id for module_id in module_ids if directories[module_id] is None]
        failures = self._tiers.failures.get_many(rest)
        rest = [module_id for module_id in rest if module_id not in failures]
        pending = frozenset(rest).difference(self._find_ended(rest))
        return [
            ModuleReport(directories[module_id], failures.get(module_id), module_id in pending)
            for module_id in module_ids
        ]


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
            module.module_id
            for module, report in zip(asked, reports, strict=True)
            if report.is_unknown_for(module)
        }
        if unknown:
            wanted = dict.fromkeys(unknown, ())
            enqueued = self._queue.enqueue(wanted, Band.PREFETCH, caller, asked=asked)
            if enqueued.refused:
                count = len(enqueued.refused)
                raise QueueFullError(f"the ingest queue is full: {count} modules were not queued")
        return [
            ModuleReport(is_pending=True) if module_id in unknown else report
            for module_id, report in zip(module_ids, reports, strict=True)
        ]
