"""Each tier queried for one module and one page, whether a call would reach it or not."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from symbolon_server.cache.invalidations import KnownInvalidations
from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbolication.explaining.explanation import ExplainedPage, ExplainedTier
from symbolon_server.symbolication.looking_up.new_frames import Lookup
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.queries import TierName
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.directory import decode_directory
from symbolon_server.symbols.paging.reader import Page

NOT_ANSWERING: Final = "it does not answer"
DAMAGED: Final = "its page directory is damaged"
STALE: Final = "its page directory was invalidated"


class _MemoryReader:
    """The memory of this process; nothing counts as used."""

    def __init__(self, memory: ServerMemory) -> None:
        self._memory = memory

    def read_directory(self, module_id: ModuleId) -> tuple[PageDirectory | None, str]:
        """Return the page directory, if there is one, and no detail."""
        module = self._memory.modules.peek(module_id)
        return None if module is None else module.directory, ""

    def read_page(self, key: PageKey, _dictionary: PageKey | None) -> tuple[Page | None, int]:
        """Return the page, unpacked as it is, and its bytes in memory."""
        page = self._memory.pages.peek(key)
        return page, 0 if page is None else page.memory_bytes


class _StoreReader:
    """A page store: Redis or the spool."""

    def __init__(self, store: PageStore, invalidations: KnownInvalidations) -> None:
        self._store = store
        self._invalidations = invalidations

    def read_directory(self, module_id: ModuleId) -> tuple[PageDirectory | None, str]:
        """Return the page directory if it is valid, and else why it is not, for people to read."""
        (data,) = self._store.get_directories([module_id])
        if data is None:
            return None, "" if self._store.is_answering() else NOT_ANSWERING
        try:
            directory = decode_directory(module_id, data)
        except DamagedPageError:
            return None, DAMAGED
        if self._invalidations.is_stale(module_id, directory.ingest.as_of):
            return None, STALE
        return directory, ""

    def read_page(self, key: PageKey, dictionary: PageKey | None) -> tuple[Page | None, int]:
        """Return the page and its stored bytes, unless it or its page dictionary is damaged."""
        (data,) = self._store.get_pages([key])
        if data is None:
            return None, 0
        try:
            unpacked_by = None if dictionary is None else self._read_dictionary(dictionary)
            return Page.decode(key.owner, data, unpacked_by), len(data)
        except DamagedPageError:
            return None, 0

    def _read_dictionary(self, key: PageKey) -> PageDictionary | None:
        (data,) = self._store.get_pages([key])
        return None if data is None else PageDictionary.decode(key.owner, data)


class ExplainedTiers:
    """The tiers that hold pages, fastest first, queried for one module."""

    def __init__(self, tiers: Tiers, memory: ServerMemory, module_id: ModuleId) -> None:
        """Read the page directory from each tier."""
        known = tiers.invalidations
        self._readers: list[_MemoryReader | _StoreReader] = [
            _MemoryReader(memory),
            _StoreReader(tiers.store, known),
        ]
        self.tiers = [ExplainedTier(TierName.MEMORY), ExplainedTier(TierName.STORE)]
        """What each tier has; `read_page` adds to it."""

        if tiers.spool is not None:
            self._readers.append(_StoreReader(tiers.spool, known))
            self.tiers.append(ExplainedTier(TierName.SPOOL))
        self._module_id = module_id
        for tier, reader in zip(self.tiers, self._readers, strict=True):
            with timed(tier):
                tier.directory, tier.detail = reader.read_directory(module_id)

    def find_directory(self, lookup: Lookup) -> PageDirectory | None:
        """Return the directory that answers: the first whose page exists, else the first.

        A directory in memory is out of date if another server had the module ingested again.
        """
        directories = {t.directory.generation: t.directory for t in self.tiers if t.directory}
        for directory in directories.values():
            number = directory.find_page(max(0, lookup[0] - lookup[1]))
            if number is None or self.find_page(directory, number) is not None:
                return directory
        return next(iter(directories.values()), None)

    def find_page(self, directory: PageDirectory, number: int) -> Page | None:
        """Return a page from the first tier that has it, without noting that."""
        key = PageKey(self._module_id, directory.generation, number)
        for reader in self._readers:
            page, _ = reader.read_page(key, directory.dictionary_key(self._module_id))
            if page is not None:
                return page
        return None

    def read_page(
        self, key: PageKey, directory: PageDirectory
    ) -> tuple[Page | None, ExplainedPage]:
        """Return a page and where it came from; note in `tiers` which of them have it."""
        found: Page | None = None
        found_in, stored_bytes = None, 0
        dictionary_key = directory.dictionary_key(self._module_id)
        for tier, reader in zip(self.tiers, self._readers, strict=True):
            with timed(tier):
                page, tier.stored_bytes = reader.read_page(key, dictionary_key)
            tier.has_answer = page is not None
            if page is not None and found is None:
                found, found_in = page, tier.name
                stored_bytes = 0 if tier.name is TierName.MEMORY else tier.stored_bytes
        firsts = directory.first_offsets
        is_last = key.number + 1 == len(firsts)
        return found, ExplainedPage(
            key=key,
            first_offset=int(firsts[key.number]),
            end_offset=None if is_last else int(firsts[key.number + 1]),
            tier=found_in,
            ranges=0 if found is None else len(found.range_start),
            stored_bytes=stored_bytes,
        )


@contextmanager
def timed(tier: ExplainedTier) -> Iterator[None]:
    """Add the time within the context to what `tier` took."""
    start = time.perf_counter()
    yield
    tier.seconds += time.perf_counter() - start
