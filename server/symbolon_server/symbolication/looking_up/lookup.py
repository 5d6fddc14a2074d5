"""One call's way through the tiers: memory, store, spool, and the ingest of what is nowhere."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Final

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.waiting import PendingModules
from symbolon_server.symbolication.looking_up.new_frames import Lookup, ModuleFrames
from symbolon_server.symbolication.looking_up.tiers import CallTiers, Tiers
from symbolon_server.symbolication.memory.queries import (
    ANYBODY,
    Caller,
    Diagnostics,
    IsGone,
    refuse_gone,
)
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.errors import DamagedPageError, if_whole
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.directory import read_directory
from symbolon_server.symbols.paging.envelope import Unpacker
from symbolon_server.symbols.paging.reader import Page

PAGES_AT_ONCE: Final = 1_200
"""Pages per round trip: some 3 MB, more than an ordinary call needs."""

UNPACKED_BYTES: Final = 1 << 21
"""Unpacked pages that are read together: this much stays in a processor's cache."""

CACHE_RETRY_SECONDS: Final = 5.0
"""When to retry a module whose ingest could not be queued."""

STORE_RETRY_SECONDS: Final = 1.0
"""When to retry a module that could not be read: by then a store that is back is used."""

_ROUNDS: Final = 4
"""How often a module is queued again if its ingest ended without what the call needs."""

_NO_CACHE: Final = "the cache does not answer, so no module can be ingested"
_FULL_QUEUE: Final = "the ingest queue is full: too many modules wait"
_NO_STORE: Final = "the store does not answer, so no page can be read from it"

MayWait = Callable[[Callable[[], None]], AbstractContextManager[bool]]
"""Enters the waiting room of calls; yields whether there was a place.

Its argument ends the wait early, for example when the caller is gone.
"""


Answer = Callable[[PageKey, Page], bool]
"""Answers all lookups in a page; returns False, with none answered, if the page is inconsistent."""

Needs = Mapping[PageKey, PageKey | None]
"""Pages, each with the key of the page dictionary that unpacks it, or None."""

_Get = Callable[[Sequence[PageKey]], list[bytes | None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call waits for modules that are not ready, and whether it may."""

    seconds: float
    may_wait: MayWait
    caller: Caller = ANYBODY


class CallLookup:
    """Answers the modules of one call; belongs to its thread."""

    def __init__(self, tiers: Tiers, held: ServerMemory, diagnostics: Diagnostics) -> None:
        """Look in memory first, then in `tiers`, and count in `diagnostics`."""
        self._tiers = tiers
        self._held = held
        self._diagnostics = diagnostics
        self._below = CallTiers(tiers, diagnostics)
        self._pages = PageFetcher(held, self._below, diagnostics)
        self._refused: frozenset[ModuleId] = frozenset()
        """The modules that the queue had no room for."""

    def answer(self, modules: Sequence[ModuleFrames], patience: Patience) -> None:
        """Answer what can be answered with this `patience`, and have the rest ingested."""
        deadline, is_gone = time.monotonic() + patience.seconds, patience.caller.is_gone
        self._take_held_modules(modules)
        from_memory = [module for module in modules if module.held is not None]
        self._read_directories([module for module in modules if module.held is None])
        self._answer_from_pages(modules, is_gone)
        # A module in memory is out of date if another server had it ingested again.
        self._answer_from_pages(self._read_directories(_unanswered(from_memory)), is_gone)
        self._ingest(modules, deadline, patience)
        self._report_evictions(modules)

    def _take_held_modules(self, modules: Sequence[ModuleFrames]) -> None:
        held = self._held.modules.get_many([module.module_id for module in modules])
        self._diagnostics.count_memory(held)
        for module, remembered in zip(modules, held, strict=True):
            module.held = remembered

    def _read_directories(self, modules: Sequence[ModuleFrames]) -> list[ModuleFrames]:
        """Read the directories of `modules` again; return the modules whose directory changed."""
        changed: list[ModuleFrames] = []
        if not modules:
            return changed
        stored = self._below.get_directories([module.module_id for module in modules])
        # All are unpacked, then all are read: that takes less time than both for each.
        unpacker = Unpacker()
        contents = [if_whole(unpacker.unpack, data) for data in stored]
        directories = [if_whole(read_directory, content) for content in contents]
        known = self._tiers.invalidations
        for module, directory in zip(modules, directories, strict=True):
            if directory is None:
                continue
            with suppress(DamagedPageError):  # then it counts as missing
                if module.hold(self._held.put_module(module.module_id, directory, known)):
                    changed.append(module)
        return changed

    def _answer_from_pages(self, modules: Sequence[ModuleFrames], is_gone: IsGone) -> None:
        """Answer what the pages of `modules` answer; one round trip for all missing pages."""
        lookups: dict[PageKey, tuple[ModuleFrames, list[Lookup]]] = {}
        needs: dict[PageKey, PageKey | None] = {}
        for module in modules:
            if module.held is not None:
                refuse_gone(is_gone)
                pages = module.lookups_by_page()
                module.pages += len(pages)
                lookups |= {key: (module, some) for key, some in pages.items()}
                dictionary = module.held.directory.dictionary_key(module.module_id)
                needs |= dict.fromkeys(pages, dictionary)

        def answer(key: PageKey, page: Page) -> bool:
            refuse_gone(is_gone)
            module, some = lookups[key]
            return module.answer_if_consistent(page, some)

        self._pages.answer(needs, answer)

    def _ingest(self, modules: Sequence[ModuleFrames], deadline: float, patience: Patience) -> None:
        """Have ingested what is not answered, wait, and answer what came of it."""
        waiting = list(modules)
        for _ in range(_ROUNDS):
            refuse_gone(patience.caller.is_gone)
            waiting = [m for m in _unanswered(waiting) if m.module_id not in self._refused]
            waiting = self._without_failed(waiting)
            if not waiting or not self._can_read_ingested(waiting):
                return
            if not self._load(waiting, deadline, patience):
                return
            self._read_directories(waiting)
            # Also if the directory is the same: pages may have come back.
            self._answer_from_pages(waiting, patience.caller.is_gone)

    def _without_failed(self, modules: Sequence[ModuleFrames]) -> list[ModuleFrames]:
        """Note the remembered failures of `modules`, and return the others."""
        if not modules:
            return []
        try:
            failures = self._tiers.failures.get_for(module.asked for module in modules)
        except CacheUnavailableError:
            return list(modules)  # loading them will report it
        for module in modules:
            module.failure = failures.get(module.module_id)
        return [module for module in modules if module.failure is None]

    def _can_read_ingested(self, modules: Sequence[ModuleFrames]) -> bool:
        """Return whether an ingest could be read here; if not, note why."""
        if self._tiers.spool is not None or self._below.is_answering():
            return True
        for module in modules:
            module.failure = Failure(FailureKind.UNAVAILABLE, _NO_STORE, 1, STORE_RETRY_SECONDS)
        return False

    def _load(self, modules: Sequence[ModuleFrames], deadline: float, patience: Patience) -> bool:
        """Queue the ingest of `modules`, and wait; return whether any has ended in time."""
        wanted = {module.module_id: module.wanted_offsets() for module in modules}
        for module in modules:
            self._diagnostics.ingests += not module.is_ingest_requested
            module.is_ingest_requested = True
        try:
            seconds = deadline - time.monotonic()
            name, asked = patience.caller.find_name(), [module.asked for module in modules]
            with self._tiers.loader.load(wanted, name, seconds, asked) as pending:
                if pending.refused:
                    self._refused |= pending.refused
                    self._give_up(
                        [m for m in modules if m.module_id in pending.refused], _FULL_QUEUE
                    )
                self._wait(pending, modules, deadline, patience.may_wait)
                ended = pending.ended
                for module in modules:
                    module.rounds += module.module_id in ended
                return bool(ended)
        except CacheUnavailableError:
            self._give_up(modules, _NO_CACHE)
            return False

    def _give_up(self, modules: Sequence[ModuleFrames], why: str) -> None:
        self._diagnostics.warnings.append(why)
        for module in modules:
            module.failure = Failure(FailureKind.UNAVAILABLE, why, 1, CACHE_RETRY_SECONDS)

    def _wait(
        self,
        pending: PendingModules,
        modules: Sequence[ModuleFrames],
        deadline: float,
        may_wait: MayWait,
    ) -> None:
        start = time.monotonic()
        if start >= deadline:
            return
        with may_wait(pending.cancel) as has_place:
            if not has_place:
                self._diagnostics.is_wait_refused = True
                return
            pending.wait(deadline - start)
        waited = time.monotonic() - start
        self._diagnostics.waited_seconds = (self._diagnostics.waited_seconds or 0.0) + waited
        for module in modules:
            module.waited_seconds = (module.waited_seconds or 0.0) + waited

    def _report_evictions(self, modules: Sequence[ModuleFrames]) -> None:
        """Note the modules that the store evicted before this call could read them."""
        if not self._below.is_answering():
            self._diagnostics.warnings.append(_NO_STORE)
            return
        for module in modules:
            module.is_evicted = module.failure is None and module.was_put_in_vain()
            if module.is_evicted and not module.has_linkage_names:
                self._tiers.small_store.report(module.module_id)


def _read_page(content: bytes | None) -> Page | None:
    try:
        return None if content is None else Page.read(content)
    except DamagedPageError:
        return None


def _unanswered(modules: Sequence[ModuleFrames]) -> list[ModuleFrames]:
    return [module for module in modules if not module.is_answered()]


class PageFetcher:
    """Fetches pages and the page dictionaries that unpack them; belongs to one call's thread.

    A page whose dictionary is missing counts as missing.
    """

    def __init__(self, held: ServerMemory, tiers: CallTiers, diagnostics: Diagnostics) -> None:
        """Look in memory first, then in `tiers`."""
        self._held = held
        self._tiers = tiers
        self._diagnostics = diagnostics
        self._unpackers: dict[PageKey | None, Unpacker] = {}
        """By the key of their dictionary; none is made for pages in memory."""

    def answer(self, needs: Needs, answer: Answer) -> None:
        """Call `answer` for each page that is found; fetch all others in one round trip.

        Only `answer` can tell that the numbers in a page are inconsistent: its checksum is right.
        Then the spool is queried. If its page is no better, the ingest that follows finds that
        out, too, and writes the module anew.
        """
        pages = self._held.pages.get_many(list(needs))
        self._diagnostics.count_memory(pages)
        missed: list[PageKey] = []
        misfits: dict[PageKey, PageKey | None] = {}
        for key, page in zip(needs, pages, strict=True):
            if page is None:
                missed.append(key)
            elif not answer(key, page):
                misfits[key] = needs[key]
        del pages
        # They are unpacked a few at a time: a call may need more of them than memory holds.
        for first in range(0, len(missed), PAGES_AT_ONCE):
            some = {key: needs[key] for key in missed[first : first + PAGES_AT_ONCE]}
            for key, _, page in self._fetch(self._tiers.get_pages, some):
                if page is None or not answer(key, page):
                    misfits[key] = needs[key]
        if misfits:
            self._drop(misfits)
            self._answer_from_spool(misfits, answer)

    def _answer_from_spool(self, misfits: Needs, answer: Answer) -> None:
        """Answer from the spool's pages, and replace those of the store by them.

        If the spool's page is inconsistent, too, its whole module is deleted from the spool.
        """
        for key, data, page in self._fetch(self._tiers.get_spooled_pages, misfits):
            if page is not None and answer(key, page):
                self._tiers.put_into_store(key, data)
            else:
                self._drop({key: misfits[key]})
                self._tiers.forget_spooled(key.module_id)

    def _fetch(self, get: _Get, needs: Needs) -> Iterator[tuple[PageKey, bytes, Page | None]]:
        """Yield the pages that `get` finds, and keep them in memory; one round trip for all."""
        dictionaries = self._find_dictionaries(needs)
        found = get([*dictionaries, *needs])
        for key, data in zip(dictionaries, found, strict=False):
            if data is not None:
                self._keep_dictionary(key, data)
        for unpacked in self._unpack(needs, found[len(dictionaries) :]):
            read = [(key, data, _read_page(content)) for key, data, content in unpacked]
            self._held.pages.put_many([(key, page) for key, _, page in read if page is not None])
            yield from read

    def _unpack(
        self, needs: Needs, found: Sequence[bytes | None]
    ) -> Iterator[list[tuple[PageKey, bytes, bytes | None]]]:
        """Yield the pages that were found, each with its content or None, a few at a time.

        One step for many pages takes less time than all steps for each page.
        """
        unpacked: list[tuple[PageKey, bytes, bytes | None]] = []
        unpacked_bytes = 0
        for key, data in zip(needs, found, strict=True):
            unpacker = self._unpackers.get(needs[key])
            if data is not None and unpacker is not None:
                content = if_whole(unpacker.unpack, data)
                unpacked.append((key, data, content))
                unpacked_bytes += 0 if content is None else len(content)
            if unpacked_bytes > UNPACKED_BYTES:
                yield unpacked
                unpacked, unpacked_bytes = [], 0
        yield unpacked

    def _find_dictionaries(self, needs: Needs) -> list[PageKey]:
        """Take the dictionaries that are in memory; return the keys of the others."""
        if not self._unpackers:
            self._unpackers[None] = Unpacker()
        needed = [key for key in dict.fromkeys(needs.values()) if key not in self._unpackers]
        keys = [key for key in needed if key is not None]
        held = self._held.dictionaries.get_many(keys)
        for key, dictionary in zip(keys, held, strict=True):
            if dictionary is not None:
                self._unpackers[key] = Unpacker(dictionary.zstd)
        return [key for key, dictionary in zip(keys, held, strict=True) if dictionary is None]

    def _keep_dictionary(self, key: PageKey, data: bytes) -> None:
        with suppress(DamagedPageError):  # then it counts as missing
            dictionary = PageDictionary(self._unpackers[None].unpack(data))
            self._unpackers[key] = Unpacker(dictionary.zstd)
            self._held.dictionaries.put(key, dictionary)

    def _drop(self, misfits: Needs) -> None:
        """Forget pages, and the dictionaries that may have unpacked them wrongly."""
        for key, dictionary in misfits.items():
            self._held.pages.discard(key)
            if dictionary is not None:
                self._held.dictionaries.discard(dictionary)
                self._unpackers.pop(dictionary, None)
