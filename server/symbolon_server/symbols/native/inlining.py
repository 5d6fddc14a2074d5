"""Inline frames of a SymCache as chains, and the function that contains them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.columns import ABSENT, LocationColumns, Rows
from symbolon_server.symbols.reading.inline_chains import (
    MAX_DEPTH,
    NO_INLINE,
    Chains,
    order_by_use,
)


class Inlining(NamedTuple):
    """What is inlined into what at each range."""

    function: Rows
    """Shape (ranges,): row of the function that is not inlined; `ABSENT` in a gap."""

    chain: NDArray[np.int32]
    """Shape (ranges,): row in `chains`, or `NO_INLINE`."""

    chains: Chains
    """In order of first use. Origins are rows of functions, files are rows of files."""


def find_inlining(calls: LocationColumns, locations: LocationColumns) -> Inlining:
    """Return the functions and chains at `locations`, those of the ranges.

    Raises `MalformedSymbolFileError` where inline frames are nested too deep.
    """
    outermost, depths = _find_outermost(calls.call)
    is_inlined = locations.call != ABSENT
    if (depths[locations.call[is_inlined]] >= MAX_DEPTH).any():
        raise MalformedSymbolFileError(f"over {MAX_DEPTH} inline frames at one offset")
    function = locations.function.copy()
    function[is_inlined] = calls.function[outermost[locations.call[is_inlined]]]
    chain, chains = _number_chains(calls, locations)
    return Inlining(function, *order_by_use(chain, chains))


def _find_outermost(call: Rows) -> tuple[Rows, Rows]:
    """Return the outermost call around each one, or itself, and how many it is inlined into.

    Each step doubles how far it looks, and a call is only ever inlined into an earlier one.
    """
    outermost = np.where(call == ABSENT, np.arange(len(call), dtype=np.int32), call)
    depths = (call != ABSENT).astype(np.int32)
    while True:
        further = outermost[outermost]
        if (further == outermost).all():
            return outermost, depths
        depths += depths[outermost]
        outermost = further


def _number_chains(
    calls: LocationColumns, locations: LocationColumns
) -> tuple[NDArray[np.int32], Chains]:
    """Return the chain of each of `locations`, and all chains, each after the one around it.

    A chain is an inlined function with its call. Sorted by call, the one around comes first,
    because its call is an earlier one.
    """
    call = np.concatenate([calls.call, locations.call])
    rows = np.flatnonzero(call != ABSENT)
    function = np.concatenate([calls.function, locations.function])[rows]
    keys = call[rows].astype(np.int64) << 32 | function
    distinct, numbers = np.unique(keys, return_inverse=True)
    chain = np.full(len(call), NO_INLINE, np.int32)
    chain[rows] = numbers
    called_from = distinct >> 32
    origin = (distinct & 0xFFFFFFFF).astype(np.int32)
    chains = Chains(chain[called_from], origin, calls.line[called_from], calls.file[called_from])
    return chain[len(calls.call) :], chains
