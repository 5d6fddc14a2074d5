"""One call's way through the tiers: memory, store, spool, and the ingest of what is nowhere."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Final

from symbolon_server.cache.failures import Failure, FailureKind, FailureMemory
from symbolon_server.cache.invalidations import KnownInvalidations
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.queueing.waiting import PendingModules
from symbolon_server.store.page_stores import PageStore, TieredPageStore
from symbolon_server.symbolication.looking_up.call_pages import CallPages, count_memory
from symbolon_server.symbolication.looking_up.caller import ANYBODY, Caller, IsGone, refuse_gone
from symbolon_server.symbolication.looking_up.counted_store import CountedStore
from symbolon_server.symbolication.looking_up.module_work import Lookup, ModuleWork
from symbolon_server.symbolication.looking_up.small_store import SmallStore
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.errors import DamagedPageError, if_whole
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import read_directory
from symbolon_server.symbols.paging.envelope import Unpacker
from symbolon_server.symbols.paging.reader import Page

CACHE_RETRY_SECONDS: Final = 5.0
"""When to ask again for a module that nobody could be asked to ingest."""

STORE_RETRY_SECONDS: Final = 1.0
"""When to ask again for a module that cannot be read: by then a store that is back is used."""

_ROUNDS: Final = 4
"""How often a module is asked for anew that was ingested without what the call wants."""

_NO_CACHE: Final = "the cache does not answer, so that nothing can be fetched"
_FULL_QUEUE: Final = "too many modules wait to be fetched, so that no more can be queued"
_NO_STORE: Final = "the store does not answer, so that nothing was found in it"

MayWait = Callable[[Callable[[], None]], AbstractContextManager[bool]]
"""Enters the room of waiting calls; tells whether there was a place.

It is given what ends the wait early, for when nobody wants the answer any more.
"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call waits for what is not ready, and how it asks whether it may."""

    seconds: float
    may_wait: MayWait
    caller: Caller = ANYBODY


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where a server looks for what it does not hold, and whom it asks for the rest."""

    store: PageStore
    spool: PageStore | None
    failures: FailureMemory
    loader: ModuleLoader
    invalidations: KnownInvalidations = field(default_factory=KnownInvalidations)
    small_store: SmallStore = field(default_factory=SmallStore)


class LookupOfCall:
    """Answers the modules of one call; belongs to its thread."""

    def __init__(self, tiers: Tiers, held: ServerMemory, diagnostics: Diagnostics) -> None:
        """Look in what is `held` first, then in `tiers`, and count in `diagnostics`."""
        self._tiers = tiers
        self._held = held
        self._diagnostics = diagnostics
        known = tiers.invalidations
        stores = [CountedStore(tiers.store, TierName.STORE, diagnostics, known)]
        if tiers.spool is not None:
            stores.append(CountedStore(tiers.spool, TierName.SPOOL, diagnostics, known))
        self._store = TieredPageStore(stores)
        self._pages = CallPages(held, stores, diagnostics)
        self._unpacker = Unpacker()
        self._refused: frozenset[ModuleId] = frozenset()
        """The modules that the queue had no room for."""

    def answer(self, modules: Sequence[ModuleWork], patience: Patience) -> None:
        """Answer what can be answered with this `patience`, and have the rest ingested."""
        self._answer(modules, patience)
        if not self._store.is_answering():
            self._diagnostics.warnings.append(_NO_STORE)
            return
        for work in modules:
            work.is_forgotten = work.failure is None and work.was_put_in_vain()
            if work.is_forgotten:
                self._tiers.small_store.tell(work.module_id)

    def _answer(self, modules: Sequence[ModuleWork], patience: Patience) -> None:
        deadline, is_gone = time.monotonic() + patience.seconds, patience.caller.is_gone
        self._take_held_modules(modules)
        waiting = list(modules)
        from_memory = [work for work in waiting if work.held is not None]
        self._read_modules([work for work in waiting if work.held is None])
        self._answer_from_pages(waiting, is_gone)
        # What memory says of a module is old when another server had it ingested anew.
        self._answer_from_pages(self._read_modules(_unanswered(from_memory)), is_gone)
        for _ in range(_ROUNDS):
            refuse_gone(is_gone)
            waiting = self._without_failed(self._without_refused(_unanswered(waiting)))
            if not waiting or not self._can_be_told(waiting):
                return
            if not self._load(waiting, deadline, patience):
                return
            self._read_modules(waiting)
            # Of the same generation too: pages may be back.
            self._answer_from_pages(waiting, is_gone)

    def _take_held_modules(self, modules: Sequence[ModuleWork]) -> None:
        held = self._held.modules.get_many([work.module_id for work in modules])
        count_memory(self._diagnostics, held)
        for work, module in zip(modules, held, strict=True):
            work.held = module

    def _read_modules(self, modules: Sequence[ModuleWork]) -> list[ModuleWork]:
        """Read the directories of `modules` anew; return those that now have another one."""
        changed = []
        stored = self._store.get_directories([work.module_id for work in modules])
        # All are unpacked, then all are read: that takes less time than both for each.
        contents = [if_whole(self._unpacker.unpack, data) for data in stored]
        directories = [if_whole(read_directory, content) for content in contents]
        for work, directory in zip(modules, directories, strict=True):
            if directory is None:
                continue
            with suppress(DamagedPageError):  # then it is absent
                module = self._held.put_module(work.module_id, directory, self._tiers.invalidations)
                if work.hold(module):
                    changed.append(work)
        return changed

    def _answer_from_pages(self, modules: Sequence[ModuleWork], is_gone: IsGone) -> None:
        """Answer what the pages of `modules` answer, all missing pages in one round trip."""
        asked: dict[PageKey, tuple[ModuleWork, list[Lookup]]] = {}
        needs: dict[PageKey, PageKey | None] = {}
        for work in modules:
            if work.held is not None:
                refuse_gone(is_gone)
                pages = work.lookups_by_page()
                work.counts.pages += len(pages)
                asked |= {key: (work, lookups) for key, lookups in pages.items()}
                needs |= dict.fromkeys(pages, work.held.directory.dictionary_key(work.module_id))

        def answer(key: PageKey, page: Page) -> bool:
            refuse_gone(is_gone)
            return _answer(page, *asked[key])

        self._pages.answer(needs, answer)

    def _without_refused(self, modules: Sequence[ModuleWork]) -> list[ModuleWork]:
        return [work for work in modules if work.module_id not in self._refused]

    def _without_failed(self, modules: Sequence[ModuleWork]) -> list[ModuleWork]:
        """Note the failures that are remembered of `modules`, and return the others."""
        if not modules:
            return []
        try:
            failures = self._tiers.failures.get_many(work.module_id for work in modules)
        except CacheUnavailableError:
            return list(modules)  # loading them will say so
        for work in modules:
            work.failure = failures.get(work.module_id)
        return [work for work in modules if work.failure is None]

    def _can_be_told(self, modules: Sequence[ModuleWork]) -> bool:
        """Return whether an ingest of `modules` could be seen here; if not, say why."""
        if self._tiers.spool is not None or self._store.is_answering():
            return True
        for work in modules:
            work.failure = Failure(FailureKind.UNAVAILABLE, _NO_STORE, 1, STORE_RETRY_SECONDS)
        return False

    def _load(self, modules: Sequence[ModuleWork], deadline: float, patience: Patience) -> bool:
        """Have `modules` ingested; return whether any of them has ended in time."""
        wanted = {work.module_id: work.wanted_offsets() for work in modules}
        for work in modules:
            self._diagnostics.ingests += not work.counts.is_ingest_requested
            work.counts.is_ingest_requested = True
        try:
            seconds = deadline - time.monotonic()
            name, asked = patience.caller.find_name(), [work.asked for work in modules]
            with self._tiers.loader.load(wanted, name, seconds, asked) as pending:
                if pending.refused:
                    self._refused |= pending.refused
                    full = [work for work in modules if work.module_id in pending.refused]
                    self._give_up(full, _FULL_QUEUE)
                self._wait(pending, modules, deadline, patience.may_wait)
                ended = pending.ended
                for work in modules:
                    work.rounds += work.module_id in ended
                return bool(ended)
        except CacheUnavailableError:
            self._give_up(modules, _NO_CACHE)
            return False

    def _give_up(self, modules: Sequence[ModuleWork], why: str) -> None:
        self._diagnostics.warnings.append(why)
        for work in modules:
            work.failure = Failure(FailureKind.UNAVAILABLE, why, 1, CACHE_RETRY_SECONDS)

    def _wait(
        self,
        pending: PendingModules,
        modules: Sequence[ModuleWork],
        deadline: float,
        may_wait: MayWait,
    ) -> None:
        start = time.monotonic()
        if start >= deadline:
            return
        with may_wait(pending.cancel) as is_place:
            if not is_place:
                self._diagnostics.is_wait_refused = True
                return
            pending.wait(deadline - start)
        waited = time.monotonic() - start
        self._diagnostics.waited_seconds = (self._diagnostics.waited_seconds or 0.0) + waited
        for work in modules:
            work.counts.waited_seconds = (work.counts.waited_seconds or 0.0) + waited


def _unanswered(modules: Sequence[ModuleWork]) -> list[ModuleWork]:
    return [work for work in modules if work.unanswered()]


def _answer(page: Page, work: ModuleWork, lookups: list[Lookup]) -> bool:
    """Answer `lookups`; return False, with none of them answered, where the page does not fit."""
    try:
        work.answer_from(page, lookups)
    except DamagedPageError:
        work.take_back(lookups)
        return False
    return True
