"""Invalidates modules: here, and by the log of invalidations on all servers and workers."""

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from symbolon_server.cache.invalidations import InvalidationLog, KnownInvalidations
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.directory import decode_if_whole
from symbolon_server.telemetry.logs import EventLog

_TRIES: Final = 5
"""How often the log may be replaced by another one while modules are numbered."""

_log = EventLog(__name__)


class Invalidator:
    """Invalidates what was known of modules before now, in every tier of every server.

    The log is written first: whoever has read it treats anything older as missing, wherever it is
    and whenever it was put there. Everything after that only frees memory.
    """

    def __init__(self, log: InvalidationLog, tiers: Tiers, memory: ServerMemory) -> None:
        """Keep the invalidations of `tiers` up to date, and delete from them and from `memory`."""
        self._log = log
        self._tiers = tiers
        self._memory = memory

    def invalidate(self, module_ids: Collection[ModuleId]) -> None:
        """Invalidate these modules everywhere; raise `CacheUnavailableError`."""
        if not module_ids:
            return
        self._number(module_ids)
        variants = [variant for module_id in module_ids for variant in module_id.variants]
        self._tiers.failures.forget(*variants)
        if self._tiers.uses is not None:
            self._tiers.uses.forget_ingested(variants)
        for variant in variants:
            self._tiers.store.forget(variant)
        self.catch_up()
        # Another thread may have read the log, but not have deleted them yet.
        self._forget_held(self._tiers.invalidations, module_ids, is_all=False)

    def catch_up(self) -> None:
        """Apply all invalidations since the last call, by any server; one round trip.

        If the cache does not answer, the next call catches up.
        """
        with suppress(CacheUnavailableError):
            self._learn()

    def _number(self, module_ids: Collection[ModuleId]) -> None:
        """Add to the log, once everything is put back that it may have lost."""
        for _ in range(_TRIES):
            self._learn()
            if self._log.add(module_ids, self._tiers.invalidations.epoch):
                return
        raise CacheUnavailableError("the cache keeps losing its invalidations")

    def _learn(self) -> None:
        """Read what is new; if the log is another one than before, put back what it lacks."""
        known = self._tiers.invalidations
        news = self._log.read_since(known.last, known.epoch)
        if news.is_other_log:
            lost = known.find_lost(news)
            if lost or known.last > news.last:
                _log.warning("invalidations_put_back", modules=len(lost))
                self._log.put_back(lost, known.last)
        new = known.find_new(news)
        known.learn(news)
        self._forget_held(known, new, is_all=news.is_other_log or not news.is_whole)

    def _forget_held(
        self, known: KnownInvalidations, module_ids: Collection[ModuleId], *, is_all: bool
    ) -> None:
        if is_all:
            self._memory.modules.clear()
        for module_id in module_ids:
            for variant in module_id.variants:
                self._memory.modules.discard(variant)
                self._forget_spooled(known, variant)

    def _forget_spooled(self, known: KnownInvalidations, module_id: ModuleId) -> None:
        """Delete a page file, unless it is newer than the invalidation."""
        if self._tiers.spool is None:
            return
        (data,) = self._tiers.spool.get_directories([module_id])
        directory = decode_if_whole(module_id, data)
        if directory is not None and known.is_stale(module_id, directory.ingest.as_of):
            self._tiers.spool.forget(module_id)
