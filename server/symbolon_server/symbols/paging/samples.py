"""Some of a module's pages: they show how well it is compressed, and make its dictionary."""

import random
from dataclasses import dataclass
from itertools import chain
from typing import Final, Self

from symbolon_server.symbols.paging.contents import PageContents, Rows
from symbolon_server.symbols.paging.dictionary import PageDictionary, train
from symbolon_server.symbols.paging.packing import Contents, batches, pack_all

_SAMPLES: Final = 200
_SAMPLE_BYTES: Final = 6 << 20
"""How many pages are written as samples, and of how many bytes in all."""

_SEED: Final = 0
"""By which samples are chosen, the same ones each time."""


@dataclass(frozen=True, slots=True)
class PageSamples:
    """Contents of pages taken from all over a module."""

    pages: list[Rows]
    """All pages from which they are taken."""

    written: list[tuple[Rows, bytes]]
    """Contents with their rows, in the order of the module."""

    @classmethod
    def write(cls, contents: PageContents, pages: list[Rows]) -> Self:
        """Write some of these pages."""
        random_order = random.Random(_SEED)  # noqa: S311 - nobody is to be kept from guessing it
        some = random_order.sample(pages, min(_SAMPLES, len(pages)))
        written = []
        left = _SAMPLE_BYTES
        for rows, content in chain.from_iterable(map(contents.write, batches(some))):
            written.append((rows, content))
            left -= len(content)
            if left < 0:
                break
        return cls(pages, sorted(written))

    @property
    def are_all(self) -> bool:
        """Whether all pages were written."""
        return self._ranges_written == self._ranges

    def train_dictionary(self) -> PageDictionary | None:
        """Return a dictionary for all pages of the module."""
        contents = [content for _, content in self.written]
        return train(contents, self._of_module(sum(map(len, contents))))

    def packed_bytes(self, dictionary: PageDictionary | None) -> int:
        """Return about how many bytes all pages of the module are when compressed."""
        packed = pack_all(self.contents(), dictionary)
        return self._of_module(sum(len(page) for _, page in packed))

    def contents(self) -> list[Contents]:
        """Return what was written, for `pack_all`."""
        return list(batches(self.written))

    def _of_module(self, written: int) -> int:
        """Return for the module what is so much for the samples."""
        return written * self._ranges // max(1, self._ranges_written)

    @property
    def _ranges(self) -> int:
        return self.pages[-1][1] if self.pages else 0

    @property
    def _ranges_written(self) -> int:
        return sum(end - first for (first, end), _ in self.written)
