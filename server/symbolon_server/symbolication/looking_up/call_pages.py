"""One call's pages: those in memory first, the others read from the tiers below and unpacked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from symbolon_server.store.page_stores import PageStore, TieredPageStore
from symbolon_server.symbolication.looking_up.counted_store import CountedStore
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.errors import DamagedPageError, if_whole
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.envelope import Unpacker
from symbolon_server.symbols.paging.reader import Page

PAGES_AT_ONCE: Final = 1_200
"""Pages that are read in one round trip: some 3 MB, more than an ordinary call needs."""

UNPACKED_BYTES: Final = 1 << 21
"""Contents of pages that wait until they are read: so many stay in a processor's cache."""

Answer = Callable[[PageKey, Page], bool]
"""Answers what is asked of a page; returns False, having answered nothing, if it does not fit."""

Needs = Mapping[PageKey, PageKey | None]
"""Pages, each with the key of the dictionary that unpacks it, None where it needs none."""


class CallPages:
    """Reads pages, and the page dictionaries that unpack them; belongs to one call and its thread.

    A page whose dictionary is not there is absent.
    """

    def __init__(
        self, held: ServerMemory, stores: Sequence[CountedStore], diagnostics: Diagnostics
    ) -> None:
        """Look in what is `held` first, then in `stores`, the nearest of them first."""
        self._held = held
        self._nearest, *self._below = stores
        self._stores = TieredPageStore(stores)
        self._diagnostics = diagnostics
        self._unpackers: dict[PageKey | None, Unpacker] = {None: Unpacker()}
        """By the key of the dictionary that they unpack by."""

    def answer(self, needs: Needs, answer: Answer) -> None:
        """Have each page that is there answered from; one round trip for all that are not held.

        Where the numbers of a page do not fit each other nobody else sees it: its checksum is
        right. Then the spool is asked; where that has no better one, the ingest that is asked for
        next will find that out, and write it anew.
        """
        misfits = {
            key: needs[key]
            for key, page in self._read(needs)
            if page is None or not answer(key, page)
        }
        if misfits:
            self._drop(misfits)
            for store in self._below:
                self._answer_from_below(store, misfits, answer)

    def _read(self, needs: Needs) -> Iterator[tuple[PageKey, Page | None]]:
        """Yield the pages that are there, those in memory first; None for one that does not fit.

        They are unpacked one after the other: a call may need more of them than memory holds.
        """
        pages = self._held.pages.get_many(list(needs))
        count_memory(self._diagnostics, pages)
        missed = []
        for key, page in zip(needs, pages, strict=True):
            if page is None:
                missed.append(key)
            else:
                yield key, page
        del pages
        for first in range(0, len(missed), PAGES_AT_ONCE):
            asked = {key: needs[key] for key in missed[first : first + PAGES_AT_ONCE]}
            for key, _, page in self._fetch(self._stores, asked):
                yield key, page

    def _answer_from_below(self, store: CountedStore, misfits: Needs, answer: Answer) -> None:
        """Answer from what `store` has in the place of `misfits`, and put it upward.

        What does not fit there either is forgotten, with the whole module.
        """
        for key, data, page in self._fetch(store, misfits):
            if page is not None and answer(key, page):
                self._nearest.put_pages({key: data})
            else:
                self._drop({key: misfits[key]})
                store.forget(key.module_id)

    def _fetch(
        self, store: PageStore, needs: Needs
    ) -> Iterator[tuple[PageKey, bytes, Page | None]]:
        """Yield the pages that `store` has, and hold them; one round trip for all."""
        dictionaries = self._find_dictionaries(needs)
        found = store.get_pages([*dictionaries, *needs])
        for key, data in zip(dictionaries, found, strict=False):
            if data is not None:
                self._hold_dictionary(key, data)
        for unpacked in self._unpack(needs, found[len(dictionaries) :]):
            pages = [if_whole(Page.read, content) for _, _, content in unpacked]
            keys = [key for key, _, _ in unpacked]
            self._held.pages.put_many(
                (key, page) for key, page in zip(keys, pages, strict=True) if page is not None
            )
            for (key, data, _), page in zip(unpacked, pages, strict=True):
                yield key, data, page

    def _unpack(
        self, needs: Needs, found: Sequence[bytes | None]
    ) -> Iterator[list[tuple[PageKey, bytes, bytes | None]]]:
        """Yield the pages that were found, each with its content or None, some at a time.

        What is done for many of them one after the other takes less time than all for each.
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
        """Take the dictionaries that are held; return the keys of those that are not."""
        needed = [key for key in dict.fromkeys(needs.values()) if key not in self._unpackers]
        keys = [key for key in needed if key is not None]
        held = self._held.dictionaries.get_many(keys)
        for key, dictionary in zip(keys, held, strict=True):
            if dictionary is not None:
                self._unpackers[key] = Unpacker(dictionary.zstd)
        return [key for key, dictionary in zip(keys, held, strict=True) if dictionary is None]

    def _hold_dictionary(self, key: PageKey, data: bytes) -> None:
        with suppress(DamagedPageError):  # then it is absent
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


def count_memory(diagnostics: Diagnostics, found: Sequence[object]) -> None:
    """Count what was looked up in memory; what is None was not there."""
    counts = diagnostics.tier(TierName.MEMORY)
    counts.lookups += len(found)
    counts.hits += len(found) - found.count(None)
