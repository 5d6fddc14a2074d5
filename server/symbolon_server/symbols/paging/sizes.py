"""How large the pages of a module are: as small as the store's memory allows.

A lookup fetches a whole page, and a full store keeps a whole page for one popular function, so
small pages are better for both. But each page costs a key, and repeats names and paths of its
neighbours.
A module's pages are therefore as small as possible while all of them together take little more
memory than its names alone would, as one hash entry each.
"""

import math
from typing import Final

import numpy as np

from symbolon_server.symbols.reading.symbol_table import NO_SYMBOL, SymbolTable

MIN_PAGE_WEIGHT: Final = 768
"""Pages of 2 to 3 KB when compressed; of smaller ones, keys would take a tenth or more."""

MAX_PAGE_WEIGHT: Final = 2048
"""The page weight of a module with few or short names: 3 to 5 KB when compressed."""

TIMES_NAMES: Final = 1.47
"""Memory that all pages may take, as a multiple of what the names alone would."""

_NAME_BYTES: Final = 45
"""Overhead of a hash entry for a name, and of its offset in a list."""

_KEY_BYTES: Final = 135
"""Overhead of a page's key."""

_HALVED: Final = 1.17
"""Growth of all pages of a module, keys included, when pages are half the size: 10 to 17 % for the
real symbol files of the benchmarks."""


def names_only_bytes(table: SymbolTable) -> int:
    """Return an estimate of a store's memory for a module if it kept only the names."""
    is_found = np.zeros(len(table.symbols.name), np.bool_)
    is_found[table.ranges.symbol[table.ranges.symbol != NO_SYMBOL]] = True
    lengths = np.array([len(text) for text in table.texts], np.int64)
    found = table.symbols.name[is_found]
    return int(lengths[found].sum()) + _NAME_BYTES * len(found)


def choose_page_weight(pages: int, packed_bytes: int, names_bytes: int) -> int:
    """Return the weight of a module's pages.

    A number of `pages` of `MAX_PAGE_WEIGHT` would have `packed_bytes` in total when compressed;
    `names_bytes` is from `names_only_bytes`.
    """
    growth = TIMES_NAMES * names_bytes / max(1, packed_bytes + _KEY_BYTES * pages)
    if growth <= 1:
        return MAX_PAGE_WEIGHT
    weight = MAX_PAGE_WEIGHT / 2 ** math.log(growth, _HALVED)
    return max(MIN_PAGE_WEIGHT, round(weight))
