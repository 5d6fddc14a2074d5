"""A page store that counts what one call asks of it, and believes only what is whole."""

import time
from collections.abc import Mapping, Sequence

from symbolon_server.cache.page_stores import PageStore
from symbolon_server.symbolication.queries import Diagnostics, TierName
from symbolon_server.symbols.directory_format import MARK as DIRECTORY_MARK
from symbolon_server.symbols.envelope import is_whole
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.page_layout import MARK as PAGE_MARK
from symbolon_server.symbols.pages import PageKey


class CountedStore:
    """Passes everything on to a store; belongs to one call and its thread.

    What is damaged is a miss here, above the store that has it and below the tiers that ask
    the next one for a miss.
    """

    def __init__(self, store: PageStore, name: TierName, diagnostics: Diagnostics) -> None:
        """Count in `diagnostics` what is asked of `store`, the tier `name`."""
        self._store = store
        self._name = name
        self._diagnostics = diagnostics

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directories that the store has, None for a miss."""
        start = time.perf_counter()
        found = self._store.get_directories(module_ids)
        return self._count(start, _only_whole(DIRECTORY_MARK, found))

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return the pages that the store has, None for a miss."""
        start = time.perf_counter()
        return self._count(start, _only_whole(PAGE_MARK, self._store.get_pages(keys)))

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Keep these pages."""
        self._store.put_pages(pages)

    def put_directory(self, module_id: ModuleId, directory: bytes) -> None:
        """Keep a module's directory."""
        self._store.put_directory(module_id, directory)

    def forget(self, module_id: ModuleId) -> None:
        """Drop a module's directory."""
        self._store.forget(module_id)

    def has_room(self) -> bool:
        """Return whether the store has room."""
        return self._store.has_room()

    def is_answering(self) -> bool:
        """Return whether the store answered when it was last asked."""
        return self._store.is_answering()

    def _count(self, start: float, found: list[bytes | None]) -> list[bytes | None]:
        values = [value for value in found if value is not None]
        counts = self._diagnostics.tier(self._name)
        counts.seconds += time.perf_counter() - start
        counts.lookups += len(found)
        counts.hits += len(values)
        counts.stored_bytes += sum(map(len, values))
        return found


def _only_whole(mark: bytes, found: Sequence[bytes | None]) -> list[bytes | None]:
    return [None if data is None or not is_whole(mark, data) else data for data in found]
