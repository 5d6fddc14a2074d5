"""The functions that each page of a module answers with."""

import numpy as np

from symbolon_server.insertion.ages import PageFunctions
from symbolon_server.insertion.function_uses import fingerprints_of
from symbolon_server.symbols.ground.pages import PageDirectory
from symbolon_server.symbols.reading.symbol_table import NO_SYMBOL, SymbolTable


def functions_of_pages(table: SymbolTable, directory: PageDirectory) -> PageFunctions:
    """Return each function of each page of a module once."""
    ranges = table.ranges
    rows = np.flatnonzero(ranges.symbol != NO_SYMBOL)
    page = directory.first_offsets.searchsorted(ranges.start[rows], side="right") - 1
    name = table.symbols.name[ranges.symbol[rows]].astype(np.int64)
    pairs = np.unique(np.stack([page, name], axis=1), axis=0)
    names, of_pair = np.unique(pairs[:, 1], return_inverse=True)
    prints = fingerprints_of(table.texts[name] for name in names.tolist())
    return PageFunctions(pairs[:, 0], prints[of_pair])
