"""One tier as it is asked when a frame is explained: alone, and whether it has to be or not."""

from typing import Final, NamedTuple, Protocol

from symbolon_server.cache.invalidations import KnownInvalidations
from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.directory import decode_directory
from symbolon_server.symbols.paging.reader import Page

NOT_ANSWERING: Final = "it does not answer"
DAMAGED: Final = "what it has is damaged"
STALE: Final = "what it has was invalidated"


class FoundDirectory(NamedTuple):
    """What a tier has of a module."""

    directory: PageDirectory | None
    detail: str = ""
    """One line for a person."""


class FoundPage(NamedTuple):
    """What a tier has of a page."""

    page: Page | None
    size: int = 0
    """Bytes, as the tier holds it."""


class TierReader(Protocol):
    """A tier that has page directories and pages."""

    def read_directory(self, module_id: ModuleId) -> FoundDirectory:
        """Return the page directory that the tier has and believes."""

    def read_page(self, key: PageKey, dictionary_key: PageKey | None) -> FoundPage:
        """Return the page that the tier has, and can unpack where there is a page dictionary."""


class MemoryReader:
    """What this process holds; it does not count as used."""

    def __init__(self, held: ServerMemory) -> None:
        self._held = held

    def read_directory(self, module_id: ModuleId) -> FoundDirectory:
        """Return the page directory that is held."""
        module = self._held.modules.peek(module_id)
        return FoundDirectory(None if module is None else module.directory)

    def read_page(self, key: PageKey, dictionary_key: PageKey | None) -> FoundPage:  # noqa: ARG002
        """Return the page that is held, unpacked as it is."""
        page = self._held.pages.peek(key)
        return FoundPage(page, 0 if page is None else page.memory_bytes)


class StoreReader:
    """A page store, be it Redis or the spool."""

    def __init__(self, store: PageStore, invalidations: KnownInvalidations) -> None:
        self._store = store
        self._invalidations = invalidations

    def read_directory(self, module_id: ModuleId) -> FoundDirectory:
        """Return the page directory, unless it is damaged or was invalidated."""
        (data,) = self._store.get_directories([module_id])
        if data is None:
            return FoundDirectory(None, "" if self._store.is_answering() else NOT_ANSWERING)
        try:
            directory = decode_directory(module_id, data)
        except DamagedPageError:
            return FoundDirectory(None, DAMAGED)
        if self._invalidations.is_stale(module_id, directory.ingest.as_of):
            return FoundDirectory(None, STALE)
        return FoundDirectory(directory)

    def read_page(self, key: PageKey, dictionary_key: PageKey | None) -> FoundPage:
        """Return the page, unless it is damaged or its page dictionary is not there."""
        (data,) = self._store.get_pages([key])
        if data is None:
            return FoundPage(None)
        try:
            dictionary = None if dictionary_key is None else self._read_dictionary(dictionary_key)
            return FoundPage(Page.decode(key.owner, data, dictionary), len(data))
        except DamagedPageError:
            return FoundPage(None)

    def _read_dictionary(self, key: PageKey) -> PageDictionary | None:
        (data,) = self._store.get_pages([key])
        return None if data is None else PageDictionary.decode(key.owner, data)
