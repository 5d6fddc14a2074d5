"""What is known of modules, for operators."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from symbolon_server.cache.failures import Failure
from symbolon_server.store.page_stores import PageStore, TieredPageStore
from symbolon_server.symbolication.looking_up.counted_store import CountedStore
from symbolon_server.symbolication.looking_up.lookup import Tiers
from symbolon_server.symbolication.looking_up.module_work import FAILED, PENDING_RETRY_SECONDS
from symbolon_server.symbolication.memory.queries import (
    Diagnostics,
    ModuleOutcome,
    ModuleResult,
    TierName,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory
from symbolon_server.symbols.paging.directory import decode_if_whole


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """What is known of a module; with none of it, nothing is."""

    directory: PageDirectory | None = None
    failure: Failure | None = None
    is_pending: bool = False
    """Its ingest is queued or under way."""

    def result(self) -> ModuleResult:
        """Return what a frame in the module would meet."""
        if self.directory is not None:
            skipped = sum(self.directory.facts.skipped_records.values())
            return ModuleResult(ModuleOutcome.FOUND, skipped_records=skipped)
        if self.failure is not None:
            outcome, _ = FAILED[self.failure.kind]
            return ModuleResult(outcome, self.failure.detail, self.failure.retry_after_seconds)
        if self.is_pending:
            return ModuleResult(ModuleOutcome.PENDING, "", PENDING_RETRY_SECONDS)
        return ModuleResult(ModuleOutcome.NOT_REFERENCED, NOTHING_KNOWN)


NOTHING_KNOWN = "nobody has asked for it, or it was forgotten since"

FindEnded = Callable[[Collection[ModuleId]], Collection[ModuleId]]
"""Returns the modules that have no ingest queued or running; raises `CacheUnavailableError`."""


class ModuleLookup:
    """Asks the store, the spool, the memory of failures and the queue; starts no ingest."""

    def __init__(self, tiers: Tiers, find_ended: FindEnded) -> None:
        """Ask `tiers`, and `find_ended` which modules are not on their way."""
        self._tiers = tiers
        self._find_ended = find_ended

    def get_modules(self, module_ids: Sequence[ModuleId]) -> list[ModuleReport]:
        """Return what is known of each module, in the order asked, in a few round trips.

        Raises `CacheUnavailableError` where failures or the queue cannot be read.
        """
        directories = self._read_directories(module_ids)
        rest = [module_id for module_id in module_ids if directories[module_id] is None]
        failures = self._tiers.failures.get_many(rest)
        rest = [module_id for module_id in rest if module_id not in failures]
        pending = frozenset(rest).difference(self._find_ended(rest))
        return [
            ModuleReport(directories[module_id], failures.get(module_id), module_id in pending)
            for module_id in module_ids
        ]

    def _read_directories(
        self, module_ids: Sequence[ModuleId]
    ) -> dict[ModuleId, PageDirectory | None]:
        store = self._tiered_store()
        found = store.get_directories(module_ids)
        return {
            module_id: decode_if_whole(module_id, data)
            for module_id, data in zip(module_ids, found, strict=True)
        }

    def _tiered_store(self) -> TieredPageStore:
        """Return the tiers with what they count, which is not asked for here."""
        tiers, counts = self._tiers, Diagnostics()
        known = tiers.invalidations
        stores: list[PageStore] = [CountedStore(tiers.store, TierName.STORE, counts, known)]
        if tiers.spool is not None:
            stores.append(CountedStore(tiers.spool, TierName.SPOOL, counts, known))
        return TieredPageStore(stores)
