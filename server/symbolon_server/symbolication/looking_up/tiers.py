"""The tiers below memory, and how one call reads them: store and spool, checked and counted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, TypeVar

from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.invalidations import KnownInvalidations
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.insertion.use_tally import UseTally
from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import MARK as DIRECTORY_MARK
from symbolon_server.symbols.paging.directory import decode_if_whole, directory_owner
from symbolon_server.symbols.paging.envelope import is_whole
from symbolon_server.symbols.paging.layout import MARK as PAGE_MARK
from symbolon_server.telemetry.logs import EventLog

LOST_SECONDS: Final = 0.25
"""A call that lost this much time on a tier without an answer does not query it again. One request
that times out takes longer, so that no call waits for a second one."""

TOO_SMALL: Final = (
    "it was ingested, and the store evicted it before it was read: the store is too small for its "
    "load"
)

NOT_MADE: Final = (
    "its ingest left no linkage names: a worker of an earlier version took it, or the store is too "
    "small for its load"
)
"""Of a variant: earlier workers drop its job."""

_K = TypeVar("_K")
_log = EventLog(__name__)


class SmallStore:
    """Logs once that the store evicts pages before they are read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_logged = False

    def report(self, module_id: ModuleId) -> None:
        """Log the first module that was evicted."""
        with self._lock:
            was_logged, self._is_logged = self._is_logged, True
        if not was_logged:
            _log.warning("store_too_small", module=str(module_id), detail=TOO_SMALL)


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where a server looks for what is not in memory, and what ingests the rest."""

    store: PageStore
    spool: PageStore | None
    failures: FailureMemory
    loader: ModuleLoader
    invalidations: KnownInvalidations = field(default_factory=KnownInvalidations)
    small_store: SmallStore = field(default_factory=SmallStore)
    uses: UseTally | None = None
    """Takes note of missed pages and of answered frames."""


@dataclass(slots=True)
class _Tier:
    """A page store as one call queries it."""

    name: TierName
    store: PageStore
    lost_seconds: float = 0.0

    def is_given_up(self) -> bool:
        return self.lost_seconds >= LOST_SECONDS


class CallTiers:
    """Reads the store, and the spool for what the store misses; belongs to one call's thread.

    What only the spool has is put into the store. Damaged and invalidated values are misses.
    """

    def __init__(self, tiers: Tiers, diagnostics: Diagnostics) -> None:
        """Count all requests in `diagnostics`."""
        self._diagnostics = diagnostics
        self._invalidations = tiers.invalidations
        self._uses = tiers.uses
        self._tiers = [_Tier(TierName.STORE, tiers.store)]
        if tiers.spool is not None:
            self._tiers.append(_Tier(TierName.SPOOL, tiers.spool))

    def is_answering(self) -> bool:
        """Return whether the last request to every tier succeeded, and none was given up."""
        return not any(t.is_given_up() or not t.store.is_answering() for t in self._tiers)

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the encoded page directory of each module, None for a miss."""
        return self._fall_through(
            module_ids, self._read_directories, lambda store, found: store.put_directories(found)
        )

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each encoded page, None for a miss."""
        return self._fall_through(
            keys, self._read_pages, lambda store, found: store.put_pages(found)
        )

    def get_spooled_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page as the spool alone has it."""
        below = self._tiers[1:]
        return self._read_pages(below[0], keys) if below else [None] * len(keys)

    def put_into_store(self, key: PageKey, page: bytes) -> None:
        """Replace a page in the store."""
        self._put(self._tiers[0], lambda store, found: store.put_pages(found), {key: page})

    def forget_spooled(self, module_id: ModuleId) -> None:
        """Delete a module from the spool."""
        for tier in self._tiers[1:]:
            tier.store.forget(module_id)

    def _fall_through(
        self,
        keys: Sequence[_K],
        read: Callable[[_Tier, Sequence[_K]], list[bytes | None]],
        put: Callable[[PageStore, Mapping[_K, bytes]], None],
    ) -> list[bytes | None]:
        """Query each tier for the misses of those above it, and put its values into these."""
        found: dict[_K, bytes] = {}
        missed = list(dict.fromkeys(keys))
        for number, tier in enumerate(self._tiers):
            if not missed:
                break
            values = zip(missed, read(tier, missed), strict=True)
            here = {key: value for key, value in values if value is not None}
            if here:
                for above in self._tiers[:number]:
                    self._put(above, put, here)
                found |= here
                missed = [key for key in missed if key not in here]
        return [found.get(key) for key in keys]

    def _read_directories(self, tier: _Tier, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        def get() -> list[bytes | None]:
            found = zip(module_ids, tier.store.get_directories(module_ids), strict=True)
            return [None if self._is_stale(module_id, data) else data for module_id, data in found]

        return self._read(tier, DIRECTORY_MARK, [directory_owner(m) for m in module_ids], get)

    def _read_pages(self, tier: _Tier, keys: Sequence[PageKey]) -> list[bytes | None]:
        owners = [key.owner for key in keys]
        found = self._read(tier, PAGE_MARK, owners, lambda: tier.store.get_pages(keys))
        if self._uses is not None and tier.name is TierName.STORE and tier.store.is_answering():
            missed = [key for key, page in zip(keys, found, strict=True) if page is None]
            self._uses.note_missed(missed)
        return found

    def _is_stale(self, module_id: ModuleId, data: bytes | None) -> bool:
        """Return whether a directory was invalidated; few modules need to be decoded for that."""
        if data is None or not self._invalidations.may_be_stale(module_id):
            return False
        directory = decode_if_whole(module_id, data)
        return directory is None or self._invalidations.is_stale(module_id, directory.ingest.as_of)

    def _read(
        self,
        tier: _Tier,
        mark: bytes,
        owners: Sequence[bytes],
        get: Callable[[], list[bytes | None]],
    ) -> list[bytes | None]:
        """Return what `get` returns, without what is damaged or of another owner."""
        if tier.is_given_up():
            return [None] * len(owners)
        start = time.perf_counter()
        found = [
            None if data is None or not is_whole(mark, owner, data) else data
            for owner, data in zip(owners, get(), strict=True)
        ]
        self._count_time(tier, start)
        values = [value for value in found if value is not None]
        counts = self._diagnostics.tier(tier.name)
        counts.lookups += len(owners)
        counts.hits += len(values)
        counts.stored_bytes += sum(map(len, values))
        return found

    def _put(
        self,
        tier: _Tier,
        put: Callable[[PageStore, Mapping[_K, bytes]], None],
        values: Mapping[_K, bytes],
    ) -> None:
        if not tier.is_given_up():
            start = time.perf_counter()
            put(tier.store, values)
            self._count_time(tier, start)

    def _count_time(self, tier: _Tier, start: float) -> None:
        seconds = time.perf_counter() - start
        self._diagnostics.tier(tier.name).seconds += seconds
        if tier.store.is_lost():
            tier.lost_seconds += seconds
