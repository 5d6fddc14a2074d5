"""One ingest: from a supplier, or this host's spool, into the store."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from random import Random

from symbolon_server.ingest.queueing.jobs import NOTHING_STALE, Freshness
from symbolon_server.ingest.working.page_checks import has_sound_pages
from symbolon_server.ingest.working.putting import put_module
from symbolon_server.ingest.working.results import IngestOutcome, IngestResult
from symbolon_server.ingest.working.work_counts import WorkCounts
from symbolon_server.store.page_stores import PageStore
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import Fetched, SupplierChain
from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, PageDirectory, PagedModule, PageKey
from symbolon_server.symbols.paging.directory import decode_directory, encode_directory
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable


class Ingest:
    """Gets modules into the store, each by the cheapest way there is.

    It knows neither the queue nor the memory of failures, and opens no connection before it
    first runs: so it can be made before a fork and run after it.
    """

    def __init__(
        self,
        suppliers: SupplierChain,
        store: PageStore,
        spool: Spool | None = None,
        counts: WorkCounts | None = None,
        *,
        are_demangled: bool = True,
        random: Random | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch from `suppliers`; `now` is the time told to people, `clock` measures.

        Names are demangled, or left as the symbol file has them.
        `counts` is where suppliers, store and spool count what happens in this process.
        `random` makes generations; None: one that differs in each process, forked ones too.
        """
        self._suppliers = suppliers
        self._store = store
        self._spool = spool
        self.counts = counts or WorkCounts()
        self._are_demangled = are_demangled
        self._random = random
        self._now = now
        self._clock = clock

    def run(
        self, asked: AskedModule, wanted: Collection[int], freshness: Freshness = NOTHING_STALE
    ) -> IngestResult:
        """Put the module into the store, above all the pages for the offsets in `wanted`.

        What store and spool have of it from before `freshness` counts as absent.
        """
        module_id = asked.module_id
        if self._is_held(module_id, wanted, freshness):
            return IngestResult(IngestOutcome.HELD)
        if self._put_from_spool(module_id, wanted, freshness):
            return self._check_kept(module_id, IngestOutcome.FROM_SPOOL)
        try:
            module = self._fetch(asked, freshness)
        except MissingSymbolFileError as error:
            return IngestResult(IngestOutcome.MISSING, str(error))
        except UnavailableSymbolFileError as error:
            return IngestResult(IngestOutcome.UNAVAILABLE, str(error), error.retry_after_seconds)
        except BrokenSymbolFileError as error:
            return IngestResult(IngestOutcome.MALFORMED, str(error))
        self._put(module_id, module, wanted)
        return self._check_kept(module_id, IngestOutcome.INGESTED)

    def _is_held(self, module_id: ModuleId, wanted: Collection[int], freshness: Freshness) -> bool:
        directory = _decode(module_id, self._store.get_directories([module_id])[0], freshness)
        if directory is None:
            return False
        return has_sound_pages(self._store, module_id, directory, wanted)

    def _put_from_spool(
        self, module_id: ModuleId, wanted: Collection[int], freshness: Freshness
    ) -> bool:
        if self._spool is None:
            return False
        directory = _decode(module_id, self._spool.get_directories([module_id])[0], freshness)
        if directory is None:
            return False
        if not has_sound_pages(self._spool, module_id, directory, wanted):
            self._spool.forget(module_id)
            return False
        return put_module(self._store, module_id, directory, self._spool.get_pages, wanted)

    def _fetch(self, asked: AskedModule, freshness: Freshness) -> PagedModule:
        """Return the module as a supplier has it; raise what the chain of suppliers raises."""
        start = self._clock()

        def read(text: Iterator[bytes]) -> SymbolTable:
            reader = SymbolFileReader(asked.module_id, are_demangled=self._are_demangled)
            return reader.read(text)

        fetched = self._suppliers.fetch(asked, read)
        generation = new_generation(self._random or Random())  # noqa: S311 - it is no secret
        module = write_pages(fetched.value, generation, self._facts(fetched, start, freshness))
        facts = self._facts(fetched, start, freshness)  # again: writing the pages took its time too
        return replace(module, directory=replace(module.directory, ingest=facts))

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

    def _put(self, module_id: ModuleId, module: PagedModule, wanted: Collection[int]) -> None:
        """Keep the module in the spool, which is there when the store is not, then put it."""
        if self._spool is not None:
            directory = encode_directory(module_id, module.directory)
            self._spool.put_module(module_id, directory, module.pages)

        def read_pages(keys: Sequence[PageKey]) -> Sequence[bytes]:
            return [module.pages[key.number] for key in keys]

        put_module(self._store, module_id, module.directory, read_pages, wanted)

    def _check_kept(self, module_id: ModuleId, outcome: IngestOutcome) -> IngestResult:
        """Return the outcome, or that the store is down: it never says so by itself.

        Otherwise each caller that is woken would find nothing and ask for another ingest.
        """
        if self._store.get_directories([module_id])[0] is None:
            return IngestResult(IngestOutcome.NOT_KEPT, self._tell_of_store())
        return IngestResult(outcome)

    def _tell_of_store(self) -> str:
        """Return why nothing was kept, as far as that can be told."""
        if self._store.is_answering() and not self._store.has_room():
            return "the store did not keep its pages: it is full, and too small for the module"
        return "the store did not keep its pages"


def _decode(module_id: ModuleId, data: bytes | None, freshness: Freshness) -> PageDirectory | None:
    """Return the directory, None too for one that is damaged, of another version, or stale."""
    try:
        directory = None if data is None else decode_directory(module_id, data)
    except DamagedPageError:
        return None
    is_stale = directory is not None and directory.ingest.as_of < freshness.stale_before
    return None if is_stale else directory
