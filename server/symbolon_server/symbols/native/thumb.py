"""Repairs the starts of Thumb functions.

In the symbol table of an ARM ELF file, the lowest bit of a function's address says that its code is
Thumb. `symbolic` takes it for a part of the address. Seen in a `libsoftokn3.so.dbg` of Firefox for
Android: a symbol one byte after its function cut the function's first line record in two, and the
rest of that record had no line.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from symbolon_server.symbols.native.columns import ABSENT, NONE, FunctionColumns, SymCacheColumns

ARM_32: Final = range(301, 400)
"""The architectures whose code is at even addresses, in ARM and in Thumb state."""


def repair_thumb(cache: SymCacheColumns) -> SymCacheColumns:
    """Return `cache` with functions of an ARM symbol table one byte earlier where they are odd.

    What debug information says about that byte stays; a gap that starts there ends there too.
    """
    if cache.architecture not in ARM_32 or not len(cache.functions.start):
        return cache
    functions, starts, function = cache.functions, cache.starts, cache.locations.function
    is_thumb = (functions.language == NONE) & (functions.start % 2 == 1)
    is_thumb &= functions.start != NONE
    is_moved = (function != ABSENT) & (starts % 2 == 1) & (functions.language[function] == NONE)
    follows = np.zeros(len(starts), np.bool_)
    follows[1:] = starts[1:] - starts[:-1] == 1
    is_dropped = np.zeros(len(starts), np.bool_)
    before = np.flatnonzero(is_moved & follows) - 1
    is_gap = function[before] == ABSENT
    is_dropped[before[is_gap]] = True
    is_dropped[before[~is_gap] + 1] = True
    return replace(
        cache,
        functions=FunctionColumns(functions.name, functions.start - is_thumb, functions.language),
        locations=cache.locations.part(~is_dropped),
        starts=(starts - is_moved)[~is_dropped],
    )
