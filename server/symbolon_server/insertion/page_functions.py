"""The functions that each page of a module answers with."""

import numpy as np

from symbolon_server.insertion.ages import PageFunctions
from symbolon_server.insertion.function_uses import fingerprints_of
from symbolon_server.symbols.ground.answers import LINKAGE_MARK
from symbolon_server.symbols.ground.pages import PageDirectory
from symbolon_server.symbols.reading.symbol_table import NO_SYMBOL, SymbolTable


def functions_of_pages(table: SymbolTable, directory: PageDirectory) -> PageFunctions:
    """Return each function of each page of a module once."""
    ranges = table.ranges
    rows = np.flatnonzero(ranges.symbol != NO_SYMBOL)
    page = directory.first_offsets.searchsorted(ranges.start[rows], side="right") - 1
    # One number for each pair is sorted ten times faster than two.
    pairs = np.unique(page * len(table.texts) + table.symbols.name[ranges.symbol[rows]])
    pages, names_of = np.divmod(pairs, len(table.texts))
    names, of_pair = np.unique(names_of, return_inverse=True)
    texts = (table.texts[name] for name in names.tolist())
    prints = fingerprints_of(text.partition(LINKAGE_MARK)[0] for text in texts)
    return PageFunctions(pages, prints[of_pair])
