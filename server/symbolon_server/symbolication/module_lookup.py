"""What is known of one module, for operators."""

from dataclasses import dataclass

from symbolon_server.cache.failures import Failure
from symbolon_server.cache.page_stores import PageStore
from symbolon_server.cache.tiered_store import TieredPageStore
from symbolon_server.symbolication.counted_store import CountedStore
from symbolon_server.symbolication.lookup import Tiers
from symbolon_server.symbolication.queries import Diagnostics, TierName
from symbolon_server.symbols.directory_format import decode_directory
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.pages import PageDirectory


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """What is known of a module; with neither part, nothing is."""

    directory: PageDirectory | None
    failure: Failure | None


class ModuleLookup:
    """Asks the store, the spool and the memory of failures; starts no ingest."""

    def __init__(self, tiers: Tiers) -> None:
        """Ask `tiers`."""
        self._failures = tiers.failures
        # For what it believes, not for what it counts.
        stores: list[PageStore] = [CountedStore(tiers.store, TierName.STORE, Diagnostics())]
        if tiers.spool is not None:
            stores.append(tiers.spool)
        self._store = TieredPageStore(stores)

    def get_module(self, module_id: ModuleId) -> ModuleReport:
        """Return what is known; raise `CacheUnavailableError` where failures cannot be read."""
        directory = self._read_directory(module_id)
        failure = None
        if directory is None:
            failure = self._failures.get_many([module_id]).get(module_id)
        return ModuleReport(directory, failure)

    def _read_directory(self, module_id: ModuleId) -> PageDirectory | None:
        (data,) = self._store.get_directories([module_id])
        try:
            return None if data is None else decode_directory(data)
        except DamagedPageError:
            return None
