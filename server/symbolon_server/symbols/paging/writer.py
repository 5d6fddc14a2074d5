"""Writes the pages of a module."""

import random
from typing import Final

import numpy as np

from symbolon_server.symbols.ground.pages import IngestFacts, PageDirectory, PagedModule, page_owner
from symbolon_server.symbols.paging.contents import PageContents
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION, stamp
from symbolon_server.symbols.paging.layout import MARK
from symbolon_server.symbols.paging.packing import batches, pack_all
from symbolon_server.symbols.paging.samples import PageSamples
from symbolon_server.symbols.paging.sizes import (
    MAX_PAGE_WEIGHT,
    choose_page_weight,
    names_only_bytes,
)
from symbolon_server.symbols.reading.symbol_table import SymbolTable

_FEW_PAGES: Final = 16
"""A module that has fewer pages of the largest weight is small as it is."""


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
    pages = contents.cut(page_weight or MAX_PAGE_WEIGHT)
    samples = PageSamples.write(contents, pages)
    dictionary = samples.train_dictionary()
    if page_weight is None and len(pages) >= _FEW_PAGES:
        packed_bytes = samples.packed_bytes(dictionary)
        weight = choose_page_weight(len(pages), packed_bytes, names_only_bytes(table))
        pages = contents.cut(weight)
    is_written = samples.are_all and pages == samples.pages
    written = samples.contents() if is_written else map(contents.write, batches(pages))
    firsts: list[int] = []
    sealed: list[bytes] = []
    for (first, _), packed in pack_all(written, dictionary):
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
