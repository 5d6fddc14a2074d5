"""The layout of a page: the one place that says it.

A page's content, inside its `envelope`, is a header, columns and texts:

| part | what |
|---|---|
| header | `HEADER`: first module offset; numbers of ranges, symbols, chains, names, paths |
| columns | the fields of `PageColumns` in their order, by `column_codes.write_columns` |
| texts | all names, then all paths, as UTF-8 without anything between them |

A *text* is a number: names first, then paths. Symbols, chains, names and paths are numbered
within the page in the order in which its ranges, from first to last, need them (a chain after
those around it), so that a column of such numbers is mostly "the next new one". The name of the
code at a range is that of its innermost inline frame, or of its symbol; code of one name is mostly
in one file and its lines are near each other, so files and lines are differences from the range
before with the same name.

Worked example: two ranges of one function `f` of `a.c`, lines 5 and 7, at 0x1000 and 0x1004:
header (0x1000; 2, 1, 0, 1, 1); steps 0, 4; symbols 1, 0 (up one from the gap, then unchanged);
chains 0, 0; files 1, 0; lines 5, 2; symbol start 0, name 0, no flags; lengths 1 and 3; texts
`fa.c`.
"""

import struct
from typing import Final, NamedTuple

import numpy as np

from symbolon_server.symbols.column_codes import (
    Integers,
    below_next,
    from_below_next,
)

MARK: Final = b"SyP"
"""The mark of a page in its envelope."""

HEADER: Final = struct.Struct("<QIIIII")

NONE: Final = 0
"""The symbol of a range that nothing covers, the chain of one in no inline frame, the path of a
range whose file is unknown, and of a call site in the file of the line itself. What there is
counts from 1."""

IS_MULTIPLE: Final = 1
"""The flag of a symbol that is one of several functions folded into the same code."""

IS_PUBLIC: Final = 2
"""The flag of a public symbol."""

NO_NAME: Final = -1
"""The name of the code in a gap, and of the code around an outermost inline frame."""


class PageColumns(NamedTuple):
    """The columns of a page, in the order of writing."""

    range_step: Integers
    """Shape (ranges,): bytes since the range before, modulo 2^64; the first is 0."""

    range_symbol: Integers
    """Shape (ranges,): change of the symbol since the range before."""

    range_chain: Integers
    """Shape (ranges,): by `chain_codes`, how far the chain is below the next new one."""

    range_file: Integers
    """Shape (ranges,): change of the file since the last range of that name."""

    range_line: Integers
    """Shape (ranges,): change of the line since the last range of that name."""

    symbol_start: Integers
    """Shape (symbols,): bytes from the page's first offset to the symbol's start, modulo 2^64."""

    symbol_flags: Integers
    """Shape (symbols,): the sum of `IS_MULTIPLE` and `IS_PUBLIC`, where they hold."""

    chain_around: Integers
    """Shape (chains,): how far before this one the chain around it is; none is number 0."""

    chain_call_file: Integers
    """Shape (chains,): change since the last chain around which is the same name."""

    chain_call_line: Integers
    """Shape (chains,): change since the last chain around which is the same name."""

    name: Integers
    """Shape (symbols + chains,): how far the name of each is below the next new one."""

    text_length: Integers
    """Shape (names + paths,): bytes of each text."""


def column_lengths(
    ranges: int, symbols: int, chains: int, names: int, paths: int
) -> tuple[int, ...]:
    """Return the number of values of each of `PageColumns`."""
    return (ranges,) * 5 + (symbols,) * 2 + (chains,) * 3 + (symbols + chains, names + paths)


def chain_codes(chains: Integers) -> Integers:
    """Return 0 for no chain, else how far it is below the next new one, away from 0 by one."""
    below = below_next(chains - 1)
    codes: Integers = np.where(chains == NONE, 0, below + (below >= 0))
    return codes


def chains_of_codes(codes: Integers) -> Integers:
    """Return the chains that `chain_codes` was given."""
    is_none = codes == 0
    below = codes - (codes > 0)
    below[is_none] = 1  # nothing new is used, as where a number is one below the next new one
    chains: Integers = from_below_next(below) + 1
    chains[is_none] = NONE
    return chains


def names_of_code(range_symbol: Integers, range_chain: Integers, name: Integers) -> Integers:
    """Return the name of the code at each range, or `NO_NAME`; shape (ranges,).

    `name` are the names of symbols and chains, behind one `NO_NAME`.
    """
    symbols = int(range_symbol.max(initial=0))
    found: Integers = name[np.where(range_chain == NONE, range_symbol, range_chain + symbols)]
    return found


def names_around(chain_around: Integers, name: Integers) -> Integers:
    """Return the name of the inline frame around each chain, or `NO_NAME`; shape (chains,)."""
    symbols = len(name) - 1 - len(chain_around)
    found: Integers = name[np.where(chain_around == NONE, 0, chain_around + symbols)]
    return found
