"""The layout of a page: the one place that says it.

A page's content, inside its `envelope`, is a header, columns and texts:

| part | what |
|---|---|
| header | `HEADER`: first module offset; numbers of ranges, symbols, chains, names, paths |
| columns | the fields of `PageColumns` in their order, each by `column_codes.write_column` |
| texts | all names, then all paths, as UTF-8 without anything between them |

A *text* is a number: names first, then paths. Symbols, chains, names and paths are numbered
within the page in the order in which its ranges, from first to last, need them (a chain after
those around it), so that a column of such numbers is mostly "the next new one". The name of the
code at a range is that of its innermost inline frame, or of its symbol; code of one name is mostly
in one file and its lines are near each other, so files and lines are differences from the range
before with the same name.

Worked example: two ranges of one function `f` of `a.c`, lines 5 and 7, at 0x1000 and 0x1004:
header (0x1000; 2, 1, 0, 1, 1); steps 0, 4; symbols 1, 0 (up one from the gap, then unchanged);
chains 0, 0; files 1, 0; lines 5, 2; symbol start 0, name 0, not multiple; lengths 1 and 3;
texts `fa.c`.
"""

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.column_codes import Integers

MARK: Final = b"SyP"
"""The mark of a page in its envelope."""

HEADER: Final = struct.Struct("<QIIIII")

NONE: Final = 0
"""The symbol of a range that nothing covers, the chain of one in no inline frame, the path of a
range whose file is unknown, and of a call site in the file of the line itself. What there is
counts from 1."""

NO_NAME: Final = -1
"""The name of the code in a gap, and of the code around an outermost inline frame."""


class PageColumns(NamedTuple):
    """The columns of a page, as numbers that are not negative, in the order of writing."""

    range_step: NDArray[np.uint64]
    """Shape (ranges,): bytes since the range before; the first is 0."""

    range_symbol: NDArray[np.uint64]
    """Shape (ranges,): zigzag of the change of the symbol since the range before."""

    range_chain: NDArray[np.uint64]
    """Shape (ranges,): 0 for none, else 1 + zigzag of how far it is below the next new one."""

    range_file: NDArray[np.uint64]
    """Shape (ranges,): zigzag of the change of the file since the last range of that name."""

    range_line: NDArray[np.uint64]
    """Shape (ranges,): zigzag of the change of the line since the last range of that name."""

    symbol_start: NDArray[np.uint64]
    """Shape (symbols,): zigzag of the bytes from the page's first offset to the symbol's start."""

    symbol_name: NDArray[np.uint64]
    """Shape (symbols,): zigzag of how far the name is below the next new one."""

    symbol_is_multiple: NDArray[np.uint64]
    """Shape (symbols,): 0 or 1."""

    chain_around: NDArray[np.uint64]
    """Shape (chains,): how far before this one the chain around it is; none is number 0."""

    chain_origin: NDArray[np.uint64]
    """Shape (chains,): as `symbol_name`; the names of symbols were new before these."""

    chain_call_file: NDArray[np.uint64]
    """Shape (chains,): zigzag of the change since the last chain around which is the same name."""

    chain_call_line: NDArray[np.uint64]
    """Shape (chains,): zigzag of the change since the last chain around which is the same name."""

    text_length: NDArray[np.uint64]
    """Shape (names + paths,): bytes of each text."""


def column_lengths(
    ranges: int, symbols: int, chains: int, names: int, paths: int
) -> tuple[int, ...]:
    """Return the number of values of each of `PageColumns`."""
    return (ranges,) * 5 + (symbols,) * 3 + (chains,) * 4 + (names + paths,)


def names_of_code(
    range_symbol: Integers, range_chain: Integers, symbol_name: Integers, chain_origin: Integers
) -> Integers:
    """Return the name of the code at each range, or `NO_NAME`; shape (ranges,)."""
    of_symbols = np.concatenate([[NO_NAME], symbol_name])[range_symbol]
    of_chains = np.concatenate([[NO_NAME], chain_origin])[range_chain]
    return np.where(range_chain == NONE, of_symbols, of_chains)


def names_around(chain_around: Integers, chain_origin: Integers) -> Integers:
    """Return the name of the inline frame around each chain, or `NO_NAME`; shape (chains,)."""
    names: Integers = np.concatenate([[NO_NAME], chain_origin])[chain_around]
    return names
