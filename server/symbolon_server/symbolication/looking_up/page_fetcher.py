"""The pages that one call needs: from memory, the others fetched from the tiers and unpacked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from symbolon_server.symbolication.looking_up.tiers import CallTiers
from symbolon_server.symbolication.memory.queries import Diagnostics
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.errors import DamagedPageError, if_whole
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.envelope import Unpacker
from symbolon_server.symbols.paging.reader import Page

PAGES_AT_ONCE: Final = 1_200
"""Pages per round trip: some 3 MB, more than an ordinary call needs."""

UNPACKED_BYTES: Final = 1 << 21
"""Unpacked pages that are read together: this much stays in a processor's cache."""

Answer = Callable[[PageKey, Page], bool]
"""Answers all lookups in a page; returns False, with none answered, if the page is inconsistent."""

Needs = Mapping[PageKey, PageKey | None]
"""Pages, each with the key of the page dictionary that unpacks it, or None."""

_Get = Callable[[Sequence[PageKey]], list[bytes | None]]


class PageFetcher:
    """Fetches pages and the page dictionaries that unpack them; belongs to one call's thread.

    A page whose dictionary is missing counts as missing.
    """

    def __init__(self, held: ServerMemory, tiers: CallTiers, diagnostics: Diagnostics) -> None:
        """Look in memory first, then in `tiers`."""
        self._held = held
        self._tiers = tiers
        self._diagnostics = diagnostics
        self._unpackers: dict[PageKey | None, Unpacker] = {None: Unpacker()}
        """By the key of their dictionary."""

    def answer(self, needs: Needs, answer: Answer) -> None:
        """Call `answer` for each page that is found; fetch all others in one round trip.

        Only `answer` can tell that the numbers in a page are inconsistent: its checksum is right.
        Then the spool is queried. If its page is no better, the ingest that follows finds that
        out, too, and writes the module anew.
        """
        misfits = {
            key: needs[key]
            for key, page in self._read(needs)
            if page is None or not answer(key, page)
        }
        if misfits:
            self._drop(misfits)
            self._answer_from_spool(misfits, answer)

    def _read(self, needs: Needs) -> Iterator[tuple[PageKey, Page | None]]:
        """Yield the pages that are found, those in memory first; None for an unreadable one.

        They are unpacked a few at a time: a call may need more of them than memory holds.
        """
        pages = self._held.pages.get_many(list(needs))
        self._diagnostics.count_memory(pages)
        missed = []
        for key, page in zip(needs, pages, strict=True):
            if page is None:
                missed.append(key)
            else:
                yield key, page
        del pages
        for first in range(0, len(missed), PAGES_AT_ONCE):
            some = {key: needs[key] for key in missed[first : first + PAGES_AT_ONCE]}
            for key, _, page in self._fetch(self._tiers.get_pages, some):
                yield key, page

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
