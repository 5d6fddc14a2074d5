"""Writes the pages of a module."""

import mmap
import random
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from symbolon_server.symbols import page_layout
from symbolon_server.symbols.envelope import FORMAT_VERSION, Sealer
from symbolon_server.symbols.page_contents import PageContents, Rows
from symbolon_server.symbols.page_dictionary import PageDictionary, train
from symbolon_server.symbols.page_sizes import MAX_PAGE_WEIGHT, choose_page_weight, names_only_bytes
from symbolon_server.symbols.pages import IngestFacts, PageDirectory, PagedModule, page_owner
from symbolon_server.symbols.symbol_table import SymbolTable

_SAMPLES: Final = 200
_SAMPLE_BYTES: Final = 6 << 20
"""How many pages show how well a module is compressed, and make its dictionary; and their bytes."""

_FEW_PAGES: Final = 16
"""A module that has fewer pages of the largest weight is small as it is."""

_SEED: Final = 0
"""By which samples are chosen, the same ones each time."""

_MOST_AHEAD: Final = 16
"""Contents that wait to be compressed."""

_THREAD_BYTES: Final = 32 << 20
"""More than a thread takes at its start."""


def new_generation(randomness: random.Random) -> str:
    """Return a generation that no other ingest has, as part of the keys of its pages."""
    return f"{FORMAT_VERSION}-{randomness.getrandbits(64):016x}"


def write_pages(
    table: SymbolTable, generation: str, ingest: IngestFacts, page_weight: int | None = None
) -> PagedModule:
    """Return the pages of `table`, their dictionary and their directory.

    Pages are as small as `choose_page_weight` lets them be, unless their weight is given.
    """
    contents = PageContents(table)
    samples = _Samples.write(contents, page_weight or MAX_PAGE_WEIGHT)
    dictionary = samples.train_dictionary()
    if page_weight is None and samples.pages >= _FEW_PAGES:
        packed_bytes = samples.packed_bytes(dictionary)
        page_weight = choose_page_weight(samples.pages, packed_bytes, names_only_bytes(table))
    firsts: list[int] = []

    def write_all() -> Iterator[bytes]:
        for rows in contents.cut(page_weight or MAX_PAGE_WEIGHT):
            for first, content in samples.take(rows) or contents.write(*rows):
                firsts.append(first)
                yield content

    pages = _seal_all(write_all(), generation, dictionary)
    if dictionary is not None:
        pages.append(dictionary.encode(page_owner(generation, len(pages))))
    directory = PageDirectory(
        generation,
        table.facts,
        ingest,
        stored_bytes=sum(map(len, pages)),
        first_offsets=table.ranges.start[np.array(firsts, np.int64)],
        has_dictionary=dictionary is not None,
    )
    return PagedModule(directory, tuple(pages))


@dataclass(frozen=True, slots=True)
class _Samples:
    """Contents of some pages, taken from all over a module."""

    pages: int
    """Of the module."""

    written: dict[Rows, list[tuple[int, bytes]]]
    """The contents for each stretch of ranges, with their first rows."""

    @classmethod
    def write(cls, contents: PageContents, page_weight: int) -> Self:
        """Write some of the pages of this weight."""
        cut = contents.cut(page_weight)
        written: dict[Rows, list[tuple[int, bytes]]] = {}
        left = _SAMPLE_BYTES
        chosen = random.Random(_SEED)  # noqa: S311 - nobody is to be kept from guessing it
        for rows in chosen.sample(cut, min(_SAMPLES, len(cut))):
            if left < 0:
                break
            written[rows] = list(contents.write(*rows))
            left -= sum(len(content) for _, content in written[rows])
        return cls(len(cut), written)

    def take(self, rows: Rows) -> list[tuple[int, bytes]] | None:
        """Return what was written for a stretch, and keep it no longer."""
        return self.written.pop(rows, None)

    def train_dictionary(self) -> PageDictionary | None:
        """Return a dictionary for all pages of the module."""
        contents = self._contents()
        share = self.pages / max(1, len(self.written))
        return train(contents, int(sum(map(len, contents)) * share))

    def packed_bytes(self, dictionary: PageDictionary | None) -> int:
        """Return about how many bytes all pages of the module are when compressed."""
        sealer = _sealer(dictionary)
        packed = [len(sealer.seal(page_layout.MARK, b"", content)) for content in self._contents()]
        return sum(packed) * self.pages // max(1, len(packed))

    def _contents(self) -> list[bytes]:
        return [content for sample in self.written.values() for _, content in sample]


def _sealer(dictionary: PageDictionary | None) -> Sealer:
    return Sealer(None if dictionary is None else dictionary.zstd)


def _seal_all(
    contents: Iterable[bytes], generation: str, dictionary: PageDictionary | None
) -> list[bytes]:
    """Return the pages of these contents, compressed while further ones are made."""
    _check_room_for_a_thread()
    sealer = _sealer(dictionary)
    pages: list[bytes] = []
    with ThreadPoolExecutor(1, "seal-pages") as pool:
        ahead: deque[Future[bytes]] = deque()
        for number, content in enumerate(contents):
            owner = page_owner(generation, number)
            ahead.append(pool.submit(sealer.seal, page_layout.MARK, owner, content))
            if len(ahead) > _MOST_AHEAD:
                pages.append(ahead.popleft().result())
        pages += (page.result() for page in ahead)
    return pages


def _check_room_for_a_thread() -> None:
    """Raise `MemoryError` where a thread could not begin: who starts it would wait for ever.

    Ask for new memory, and leave it empty: what was freed may be all that there is, and to fill so
    much would take longer than to write a page.
    """
    try:
        mmap.mmap(-1, _THREAD_BYTES).close()
    except OSError as error:
        raise MemoryError(error.strerror) from error
