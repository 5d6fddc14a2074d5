"""How large the pages of a module are: as small as the memory of a store allows.

Who asks for a function is sent its whole page, and a full store keeps the whole page for the one
function that is asked for again and again: small pages serve both. But each costs a key, and says
once more what its neighbours say of names and paths. So a module's pages are as small as they can
be while all together take little more than its names alone would, one hash entry for each.
"""

import math
from typing import Final

import numpy as np

from symbolon_server.symbols.reading.symbol_table import NO_SYMBOL, SymbolTable

MIN_PAGE_WEIGHT: Final = 768
"""Pages of 2 to 3 KB when compressed; of smaller ones a tenth would be keys, and more."""

MAX_PAGE_WEIGHT: Final = 2048
"""The weight of a page of a module whose names are few or short: 3 to 5 KB when compressed."""

TIMES_NAMES: Final = 1.47
"""What all pages may take, in terms of what names alone would."""

_NAME_BYTES: Final = 45
"""What a hash entry takes beside its name, and the offset in a list of them."""

_KEY_BYTES: Final = 135
"""What the key of a page takes."""

_HALVED: Final = 1.17
"""By how much all pages of a module grow when each is halved, keys included: 10 to 17 % for each
of the real symbol files that the benchmarks know."""


def names_only_bytes(table: SymbolTable) -> int:
    """Return about what a store would keep of a module if it knew only its names."""
    is_found = np.zeros(len(table.symbols.name), np.bool_)
    is_found[table.ranges.symbol[table.ranges.symbol != NO_SYMBOL]] = True
    lengths = np.array([len(text) for text in table.texts], np.int64)
    found = table.symbols.name[is_found]
    return int(lengths[found].sum()) + _NAME_BYTES * len(found)


def choose_page_weight(pages: int, packed_bytes: int, names_bytes: int) -> int:
    """Return the weight of a module's pages.

    `pages` of `MAX_PAGE_WEIGHT` would have `packed_bytes` in all when compressed; `names_bytes` is
    what `names_only_bytes` says.
    """
    growth = TIMES_NAMES * names_bytes / max(1, packed_bytes + _KEY_BYTES * pages)
    if growth <= 1:
        return MAX_PAGE_WEIGHT
    weight = MAX_PAGE_WEIGHT / 2 ** math.log(growth, _HALVED)
    return max(MIN_PAGE_WEIGHT, round(weight))
