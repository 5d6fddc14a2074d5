"""A page store that counts what one call asks of it, and believes only what is whole."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from symbolon_server.cache.invalidations import NO_INVALIDATIONS, KnownInvalidations
from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import MARK as DIRECTORY_MARK
from symbolon_server.symbols.paging.directory import decode_if_whole, directory_owner
from symbolon_server.symbols.paging.envelope import is_whole
from symbolon_server.symbols.paging.layout import MARK as PAGE_MARK

LOST_SECONDS: Final = 0.25
"""A call that lost so much time on a store that gave no answer asks it no more. One request
that times out loses more than that, so that no call waits for a second one."""


class CountedStore:
    """Passes everything on to a store; belongs to one call and its thread.

    What is damaged, or was invalidated, is a miss here, above the store that has it and below the
    tiers that ask the next one for a miss.
    """

    def __init__(
        self,
        store: PageStore,
        name: TierName,
        diagnostics: Diagnostics,
        invalidations: KnownInvalidations = NO_INVALIDATIONS,
    ) -> None:
        """Count in `diagnostics` what is asked of `store`, the tier `name`."""
        self._invalidations = invalidations
        self._store = store
        self._name = name
        self._diagnostics = diagnostics
        self._lost_seconds = 0.0

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directories that the store has, None for a miss."""
        owners = map(directory_owner, module_ids)
        return self._get(
            DIRECTORY_MARK, list(owners), lambda: self._get_fresh_directories(module_ids)
        )

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return the pages that the store has, None for a miss."""
        owners = [key.owner for key in keys]
        return self._get(PAGE_MARK, owners, lambda: self._store.get_pages(keys))

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Keep these pages."""
        self._put(lambda: self._store.put_pages(pages))

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Keep these directories."""
        self._put(lambda: self._store.put_directories(directories))

    def forget(self, module_id: ModuleId) -> None:
        """Drop a module's directory."""
        self._store.forget(module_id)

    def has_room(self) -> bool:
        """Return whether the store has room."""
        return self._store.has_room()

    def is_answering(self) -> bool:
        """Return whether the store answered when it was last asked, and is asked at all."""
        return not self._is_given_up() and self._store.is_answering()

    def _get_fresh_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        found = self._store.get_directories(module_ids)
        pairs = zip(module_ids, found, strict=True)
        return [None if self._is_stale(module_id, data) else data for module_id, data in pairs]

    def _is_stale(self, module_id: ModuleId, data: bytes | None) -> bool:
        """Return whether a directory is to be forgotten; few modules are worth a look inside."""
        if data is None or not self._invalidations.may_be_stale(module_id):
            return False
        directory = decode_if_whole(module_id, data)
        return directory is None or self._invalidations.is_stale(module_id, directory.ingest.as_of)

    def _get(
        self, mark: bytes, owners: Sequence[bytes], get: Callable[[], list[bytes | None]]
    ) -> list[bytes | None]:
        if self._is_given_up():
            return [None] * len(owners)
        start = time.perf_counter()
        found = [
            None if data is None or not is_whole(mark, owner, data) else data
            for owner, data in zip(owners, get(), strict=True)
        ]
        self._count(start)
        values = [value for value in found if value is not None]
        counts = self._diagnostics.tier(self._name)
        counts.lookups += len(owners)
        counts.hits += len(values)
        counts.stored_bytes += sum(map(len, values))
        return found

    def _put(self, put: Callable[[], None]) -> None:
        if not self._is_given_up():
            start = time.perf_counter()
            put()
            self._count(start)

    def _is_given_up(self) -> bool:
        return self._lost_seconds >= LOST_SECONDS

    def _count(self, start: float) -> None:
        seconds = time.perf_counter() - start
        self._diagnostics.tier(self._name).seconds += seconds
        if not self._store.is_answering():
            self._lost_seconds += seconds
