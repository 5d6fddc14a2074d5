"""Writes the pages of a module: samples, a page dictionary, a page weight, then all pages.

A few hundred pages are written first. They show how well the module compresses, which decides how
large its pages are, and they train its page dictionary. Two threads compress pages while the
next ones are written.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Self, TypeVar

import numpy as np

from symbolon_server.symbols.ground.pages import IngestFacts, PageDirectory, PagedModule, page_owner
from symbolon_server.symbols.ground.threads import start_threads
from symbolon_server.symbols.paging.contents import PageContents, Rows
from symbolon_server.symbols.paging.dictionary import PageDictionary, train
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION, Packer, stamp
from symbolon_server.symbols.paging.layout import MARK
from symbolon_server.symbols.paging.sizes import (
    MAX_PAGE_WEIGHT,
    choose_page_weight,
    names_only_bytes,
)
from symbolon_server.symbols.reading.symbol_table import SymbolTable

_FEW_PAGES: Final = 16
"""A module with fewer pages of the largest weight is small enough as it is."""

_SAMPLES: Final = 200
_SAMPLE_BYTES: Final = 6 << 20
"""Limits for the samples: number of pages, and their total size before compression."""

_SEED: Final = 0
"""Selects the samples, so that the same table always makes the same pages."""

_BATCH: Final = 24
"""Pages written at once. Written one by one, each takes three times as long, because of numpy's
cost per call; 48 at once save nothing more and take 10 MB more in each thread."""

_THREADS: Final = 2

_T = TypeVar("_T")

_Contents = Iterable[tuple[Rows, bytes]]
"""Contents of pages with their rows, possibly written only when they are taken."""


def new_generation(randomness: random.Random) -> str:
    """Return a generation that no other ingest has; it becomes part of the page keys."""
    return f"{FORMAT_VERSION}-{randomness.getrandbits(64):016x}"


def write_pages(
    table: SymbolTable, generation: str, ingest: IngestFacts, page_weight: int | None = None
) -> PagedModule:
    """Return the pages of `table`, their dictionary and their directory.

    Without a `page_weight`, `choose_page_weight` decides.
    """
    contents = PageContents(table)
    pages = contents.cut(page_weight or MAX_PAGE_WEIGHT)
    samples = _Samples.write(contents, pages)
    dictionary = samples.train_dictionary()
    if page_weight is None and len(pages) >= _FEW_PAGES:
        packed_bytes = samples.packed_bytes(dictionary)
        weight = choose_page_weight(len(pages), packed_bytes, names_only_bytes(table))
        pages = contents.cut(weight)
    is_written = samples.are_all and pages == samples.pages
    written = samples.contents() if is_written else map(contents.write, _batches(pages))
    firsts: list[int] = []
    sealed: list[bytes] = []
    for (first, _), packed in _pack_all(written, dictionary):
        firsts.append(first)
        sealed.append(stamp(MARK, page_owner(generation, len(sealed)), packed))
    if dictionary is not None:
        sealed.append(dictionary.encode(page_owner(generation, len(sealed))))
    directory = PageDirectory(
        generation,
        table.facts,
        ingest,
        stored_bytes=sum(map(len, sealed)),
        first_offsets=table.ranges.start[np.array(firsts, np.int64)],
        has_dictionary=dictionary is not None,
    )
    return PagedModule(directory, tuple(sealed))


@dataclass(frozen=True, slots=True)
class _Samples:
    """Contents of some pages from all over a module."""

    pages: list[Rows]
    """All pages of the module."""

    written: list[tuple[Rows, bytes]]
    """Contents of the sampled pages with their rows, in module order."""

    @classmethod
    def write(cls, contents: PageContents, pages: list[Rows]) -> Self:
        """Write some of these pages."""
        random_order = random.Random(_SEED)  # noqa: S311 - samples need not be unpredictable
        some = random_order.sample(pages, min(_SAMPLES, len(pages)))
        written = []
        left = _SAMPLE_BYTES
        for rows, content in chain.from_iterable(map(contents.write, _batches(some))):
            written.append((rows, content))
            left -= len(content)
            if left < 0:
                break
        return cls(pages, sorted(written))

    @property
    def are_all(self) -> bool:
        """Whether every page was sampled."""
        return self._ranges_written == self._ranges

    def train_dictionary(self) -> PageDictionary | None:
        """Return a dictionary for all pages of the module, or None if it would not pay."""
        contents = [content for _, content in self.written]
        return train(contents, self._scale(sum(map(len, contents))))

    def packed_bytes(self, dictionary: PageDictionary | None) -> int:
        """Return an estimate of the compressed size of all pages of the module."""
        packed = _pack_all(self.contents(), dictionary)
        return self._scale(sum(len(page) for _, page in packed))

    def contents(self) -> list[_Contents]:
        """Return the sampled contents in batches."""
        return list(_batches(self.written))

    def _scale(self, sampled: int) -> int:
        """Return the module's estimate for a sum over the samples."""
        return sampled * self._ranges // max(1, self._ranges_written)

    @property
    def _ranges(self) -> int:
        return self.pages[-1][1] if self.pages else 0

    @property
    def _ranges_written(self) -> int:
        return sum(end - first for (first, end), _ in self.written)


def _batches(pages: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for place in range(0, len(pages), _BATCH):
        yield pages[place : place + _BATCH]


def _pack_all(
    contents: Iterable[_Contents], dictionary: PageDictionary | None
) -> Iterator[tuple[Rows, bytes]]:
    """Yield compressed pages with their rows, in order.

    Each item of `contents` is taken by one thread. Raises `MemoryError` if there is no room to
    start the threads.
    """

    def pack(some: _Contents) -> list[tuple[Rows, bytes]]:
        packer = Packer(None if dictionary is None else dictionary.zstd)
        return [(rows, packer.pack(content)) for rows, content in some]

    batches = list(contents)
    if len(batches) <= 1:
        yield from (page for some in batches for page in pack(some))
        return
    with start_threads(_THREADS, "pack-pages") as pool:
        for some in pool.map(pack, batches):
            yield from some
