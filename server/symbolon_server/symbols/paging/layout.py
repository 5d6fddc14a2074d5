"""The layout of a page: the one place that says it.

A page's content, inside its `envelope`, is a header, columns and texts:

| part | what |
|---|---|
| header | `HEADER`: first module offset; numbers of ranges, symbols, chains, names, paths |
| columns | `PageColumns` in their order, those with signs by `zigzag`, by `write_columns` |
| texts | all names, then all paths, as UTF-8, each with `TEXT_END` |

A *text* is a number: names first, then paths. Symbols, chains, names and paths are numbered
within the page in the order in which its ranges, from first to last, need them (a chain after
those around it), so that a column of such numbers is mostly "the next new one". The name of the
code at a range is that of its innermost inline frame, or of its symbol; code of one name is mostly
in one file and its lines are near each other, so each name has a file and a line of its own, those
of its first code on the page, and files and lines are differences from them. A range's file and
line are so found without reading those of any other.

Worked example: two ranges of one function `f` of `a.c`, lines 5 and 7, at 0x1000 and 0x1004:
header (0x1000; 2, 1, 0, 1, 1); steps 0, 4; symbols 0, 2 (a new one, then the same); chains 1, 1
(none); files 0, 0; lines 0, 2; symbol start 0, size 8, no flags; name 0; the name's file 1 and
line 5; texts `f` and `a.c`.
"""

import struct
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np

from symbolon_server.symbols.paging.column_codes import Integers, below_next

MARK: Final = b"SyP"
"""The mark of a page in its envelope."""

HEADER: Final = struct.Struct("<QIIIII")

NONE: Final = 0
"""The symbol of a range that nothing covers, the chain of one in no inline frame, and the path of
code whose file is unknown. What there is counts from 1."""

TEXT_END: Final = b"\n"
"""What each text ends with: none holds it, as a symbol file has a line for each."""

IS_MULTIPLE: Final = 1
"""The flag of a symbol that is one of several functions folded into the same code."""

IS_PUBLIC: Final = 2
"""The flag of a public symbol."""

NO_NAME: Final = -1
"""The name of the code in a gap, and of the code around an outermost inline frame; its own file
and line are 0."""


_T = TypeVar("_T")


class PageColumns(NamedTuple, Generic[_T]):
    """The columns of a page, in the order of writing; or something for each of them."""

    range_step: _T
    """Shape (ranges,): bytes since the range before, modulo 2^64; the first is 0."""

    range_symbol: _T
    """Shape (ranges,): the symbol, by `codes_with_none` and `mark_new`."""

    range_chain: _T
    """Shape (ranges,), signed: the chain, by `codes_with_none`."""

    range_file: _T
    """Shape (ranges,), signed: the file, less that of the code's name."""

    range_line: _T
    """Shape (ranges,), signed: the line, less that of the code's name."""

    symbol_start: _T
    """Shape (symbols,), signed: bytes from the page's first offset to the symbol's start,
    modulo 2^64."""

    symbol_size: _T
    """Shape (symbols,): bytes of a function, 0 for a public symbol."""

    symbol_flags: _T
    """Shape (symbols,): the sum of `IS_MULTIPLE` and `IS_PUBLIC`, where they hold."""

    chain_around: _T
    """Shape (chains,): how far before this one the chain around it is; none is number 0."""

    chain_call_file: _T
    """Shape (chains,), signed: the file of the call site, less that of the name around."""

    chain_call_line: _T
    """Shape (chains,), signed: the line of the call site, less that of the name around."""

    name: _T
    """Shape (symbols + chains,): how far the name of each is below the next new one, by
    `mark_new`."""

    name_file: _T
    """Shape (names,): the name's own file."""

    name_line: _T
    """Shape (names,): the name's own line."""


COLUMN: Final = PageColumns(*range(len(PageColumns._fields)))
"""The place of each column among them."""


def column_lengths(ranges: int, symbols: int, chains: int, names: int) -> tuple[int, ...]:
    """Return the number of values of each of `PageColumns`."""
    of_ranges, of_symbols, of_chains = (ranges,) * 5, (symbols,) * 3, (chains,) * 3
    return *of_ranges, *of_symbols, *of_chains, symbols + chains, names, names


NONE_CODE: Final = 1
"""The code of no symbol or chain: as that of a number below the next new one, it uses none."""


def codes_with_none(numbers: Integers, page: Integers) -> Integers:
    """Return how far each number is below the next new one; `NONE`, and what is further, one more.

    Numbers are given out from 1 in the order of first use, anew on each `page`.
    """
    below = below_next(numbers - 1, page)
    codes: Integers = np.where(numbers == NONE, NONE_CODE, below + (below >= NONE_CODE))
    return codes


def number_of_code(newest: int, code: int) -> int:
    """Return the number that `codes_with_none` was given.

    `newest` is the highest number up to and with this one.
    """
    return NONE if code == NONE_CODE else newest - max(code - 2, 0)
