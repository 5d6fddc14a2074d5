"""One ingest: from a supplier, or from this host's spool, into the store."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random

from symbolon_server.ingest.queueing.jobs import NOTHING_STALE, Freshness
from symbolon_server.ingest.working.file_reading import ModuleFileReader
from symbolon_server.ingest.working.putting import (
    StorableModule,
    has_sound_pages,
    put_module,
    put_wanted_pages,
)
from symbolon_server.ingest.working.results import IngestOutcome, IngestResult, WorkCounts
from symbolon_server.insertion.ages import ALL_NEW, InsertionTerms, eviction_age_of
from symbolon_server.insertion.page_functions import functions_of_pages
from symbolon_server.store.page_stores import AgingPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import Fetched, SupplierChain
from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
    SupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import NoSymbolsError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, PageDirectory, PagedModule, PageKey
from symbolon_server.symbols.paging.directory import decode_if_whole, encode_directory
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from symbolon_server.telemetry.tracing.spans import child


class Ingest:
    """Gets modules into the store, each in the cheapest way.

    It knows neither the queue nor remembered failures, and opens no connection before its first
    run, so it can be made before a fork and used after it.
    """

    def __init__(
        self,
        suppliers: SupplierChain,
        store: AgingPageStore,
        spool: Spool | None = None,
        counts: WorkCounts | None = None,
        *,
        reader: ModuleFileReader | None = None,
        random: Random | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch from `suppliers`; `now` is the time of day that is recorded, `clock` measures.

        `reader` reads what they send. Suppliers, store and spool count in `counts` what happens in
        this process. `random` makes generations; by default each process, including a fork, has
        its own.
        """
        self._suppliers = suppliers
        self._store = store
        self._spool = spool
        self.counts = counts or WorkCounts()
        self._reader = reader or ModuleFileReader()
        self._random = random
        self._now = now
        self._clock = clock

    def run(
        self,
        asked: AskedModule,
        wanted: Collection[int],
        freshness: Freshness = NOTHING_STALE,
        terms: InsertionTerms = ALL_NEW,
    ) -> IngestResult:
        """Put the module into the store, at least the pages for the offsets in `wanted`.

        Whatever the store and the spool have from before `freshness` counts as absent. The other
        pages are put under these `terms`.
        """
        module_id = asked.module_id
        (data,) = self._store.get_directories([module_id])
        stored = _decode_fresh(module_id, data, freshness)
        if stored is not None and has_sound_pages(self._store, module_id, stored, wanted):
            return IngestResult(IngestOutcome.HELD)
        if data is not None:  # not evicted, but invalidated or without some of its pages
            terms = replace(terms, was_ingested=False)
        terms = self._with_eviction_age(terms)
        if self._put_from_spool(module_id, stored, wanted, freshness, terms):
            return self._check_kept(module_id, IngestOutcome.FROM_SPOOL)
        try:
            fetched = self._fetch(asked, freshness)
        except MissingSymbolFileError as error:
            return IngestResult(IngestOutcome.MISSING, str(error))
        except UnavailableSymbolFileError as error:
            return IngestResult(IngestOutcome.UNAVAILABLE, str(error), error.retry_after_seconds)
        except BrokenSymbolFileError as error:
            return IngestResult(IngestOutcome.MALFORMED, str(error))
        self._put_fetched(module_id, *fetched, wanted, terms)
        return self._check_kept(module_id, IngestOutcome.INGESTED)

    def is_spooled(self, module_id: ModuleId) -> bool:
        """Return whether this host's spool has a page file of the module."""
        return self._spool is not None and self._spool.get_directories([module_id])[0] is not None

    def _with_eviction_age(self, terms: InsertionTerms) -> InsertionTerms:
        """Return the terms with the eviction age of the store itself if the cache has none.

        Without the cache, pages that nobody knows still push out none in use.
        """
        idle_seconds = self._store.sample_idle_seconds() if terms.eviction_age is None else None
        if not idle_seconds:
            return terms
        return replace(terms, eviction_age=eviction_age_of(idle_seconds))

    def _put_from_spool(
        self,
        module_id: ModuleId,
        stored: PageDirectory | None,
        wanted: Collection[int],
        freshness: Freshness,
        terms: InsertionTerms,
    ) -> bool:
        """Put a module that the spool has; of one that the store has, the wanted pages alone."""
        if self._spool is None:
            return False
        (data,) = self._spool.get_directories([module_id])
        directory = _decode_fresh(module_id, data, freshness)
        if data is None or directory is None:
            return False
        if not has_sound_pages(self._spool, module_id, directory, wanted):
            self._spool.forget(module_id)
            return False
        module = StorableModule(module_id, directory, data, self._spool.get_pages)
        if stored is not None and stored.generation == directory.generation:
            return put_wanted_pages(self._store, module, wanted, self.counts.add_pages)
        # Its pages tell no function names, and are put as the oldest: it was ingested before.
        terms = replace(terms, was_ingested=True)
        return put_module(self._store, module, wanted, terms, self.counts.add_pages)

    def _fetch(self, asked: AskedModule, freshness: Freshness) -> tuple[PagedModule, SymbolTable]:
        """Return the module as a supplier has it; raise what the chain of suppliers raises."""
        start = self._clock()
        fetched = self._fetch_table(asked)
        generation = new_generation(self._random or Random())  # noqa: S311 - it is no secret
        with child("write pages"):
            module = write_pages(fetched.value, generation, self._facts(fetched, start, freshness))
        facts = self._facts(fetched, start, freshness)  # again, to include writing the pages
        module = replace(module, directory=replace(module.directory, ingest=facts))
        return module, fetched.value

    def _fetch_table(self, asked: AskedModule) -> Fetched[SymbolTable]:
        """Return the module's table: that of its PDB if a PE file without lines names one.

        A DLL has the names of what it exports, which are used only if no supplier has the PDB.
        """
        named: list[ModuleId | None] = []

        def read(pieces: Iterator[bytes]) -> SymbolTable:
            try:
                table = self._reader.read(asked, pieces)
            except NoSymbolsError as error:
                named.append(error.debug_module)
                raise
            named.append(table.debug_module)
            return table

        try:
            found = self._suppliers.fetch(asked.plain, read, _has_debug_info)
        except SupplierError:
            pdb = self._fetch_pdb(asked, named)
            if pdb is None:
                raise
            return pdb
        if _has_debug_info(found.value):
            return found
        with suppress(BrokenSymbolFileError):
            return self._fetch_pdb(asked, named) or found
        return found

    def _fetch_pdb(
        self, asked: AskedModule, named: Sequence[ModuleId | None]
    ) -> Fetched[SymbolTable] | None:
        """Return the first table that files named; None if none did, or no supplier has it."""
        own = asked.module_id
        others = (one for one in named if one is not None and one != own.plain)
        module_id = next(others, None)
        if module_id is None:
            return None
        module_id = module_id.with_linkage_names if own.has_linkage_names else module_id
        # Without its code id, the PE file is not requested again.
        pdb = asked._replace(module_id=module_id, code_id="", lacks_age=False)
        with suppress(MissingSymbolFileError):
            read = partial(self._reader.read, pdb)
            return self._suppliers.fetch(pdb.plain, read, _has_debug_info)
        return None

    def _facts(
        self, fetched: Fetched[SymbolTable], start: float, freshness: Freshness
    ) -> IngestFacts:
        return IngestFacts(
            supplier=fetched.supplier,
            finished_at=self._now(),
            seconds=self._clock() - start,
            fetched_bytes=fetched.fetched_bytes,
            as_of=freshness.as_of,
        )

    def _put_fetched(
        self,
        module_id: ModuleId,
        module: PagedModule,
        table: SymbolTable,
        wanted: Collection[int],
        terms: InsertionTerms,
    ) -> None:
        """Put the module into the spool, which keeps it while the store is down, then the store."""
        directory = encode_directory(module_id, module.directory)
        if self._spool is not None:
            self._spool.put_module(module_id, directory, module.pages)

        def read_pages(keys: Sequence[PageKey]) -> Sequence[bytes]:
            return [module.pages[key.number] for key in keys]

        storable = StorableModule(
            module_id,
            module.directory,
            directory,
            read_pages,
            lambda: functions_of_pages(table, module.directory),
        )
        put_module(self._store, storable, wanted, terms, self.counts.add_pages)

    def _check_kept(self, module_id: ModuleId, outcome: IngestOutcome) -> IngestResult:
        """Return the outcome, or `NOT_KEPT` if the store has no directory: puts never fail.

        Otherwise each woken caller would find nothing and request another ingest.
        """
        if self._store.get_directories([module_id])[0] is None:
            return IngestResult(IngestOutcome.NOT_KEPT, self._why_not_kept())
        return IngestResult(outcome)

    def _why_not_kept(self) -> str:
        if self._store.is_answering():
            return "the store did not keep its pages: it refuses them, or is too small for them"
        return "the store did not keep its pages: it does not answer"


def _has_debug_info(table: SymbolTable) -> bool:
    return table.facts.has_debug_info


def _decode_fresh(
    module_id: ModuleId, data: bytes | None, freshness: Freshness
) -> PageDirectory | None:
    """Return the directory, or None if it is absent, damaged, of another version, or stale."""
    directory = decode_if_whole(module_id, data)
    is_stale = directory is not None and directory.ingest.as_of < freshness.stale_before
    return None if is_stale else directory
