"""The columns of a page and what their numbers mean.

The package's docstring shows the layout and a worked example.

Symbols, chains, names and paths are numbered within the page, in the order in which its ranges
first need them (a chain after those around it). A column of such numbers is therefore mostly "the
next new one".

The name of the code at a range is that of its innermost inline frame, or of its symbol. Code of one
name is mostly in one file, on neighbouring lines. So each name has a file and a line, those of its
first code on the page, and files and lines are differences from them. The file and line of a range
are found without reading those of any other range.
"""

import struct
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np

from symbolon_server.symbols.paging.column_codes import Integers, below_next

MARK: Final = b"SyP"
"""The mark of a page in its envelope."""

HEADER: Final = struct.Struct("<QIIIII")

NONE: Final = 0
"""The symbol of a gap, the chain of a range without inline frames, and the path of an unknown file.
Other numbers count from 1."""

TEXT_END: Final = b"\n"
"""The end of each text. No text contains it, as each stands on one line of the symbol file."""

IS_MULTIPLE: Final = 1
"""The flag of a function that shares its code with others (identical code folding)."""

IS_PUBLIC: Final = 2
"""The flag of a public symbol."""

NO_NAME: Final = -1
"""The name of the code in a gap, and of the code around an outermost inline frame; its file and
line are 0."""


_T = TypeVar("_T")


class PageColumns(NamedTuple, Generic[_T]):
    """The columns of a page in the order of writing, or one value for each of them."""

    range_step: _T
    """Shape (ranges,): distance in bytes from the previous range, modulo 2^64; the first is 0."""

    range_symbol: _T
    """Shape (ranges,): the symbol, by `codes_with_none` and `mark_new`."""

    range_chain: _T
    """Shape (ranges,), signed: the chain, by `codes_with_none`."""

    range_file: _T
    """Shape (ranges,), signed: the file minus that of the code's name."""

    range_line: _T
    """Shape (ranges,), signed: the line minus that of the code's name."""

    symbol_start: _T
    """Shape (symbols,), signed: the symbol's start minus the page's first module offset,
    modulo 2^64."""

    symbol_size: _T
    """Shape (symbols,): size of a function in bytes, 0 for a public symbol."""

    symbol_flags: _T
    """Shape (symbols,): the sum of `IS_MULTIPLE` and `IS_PUBLIC`, as they apply."""

    chain_around: _T
    """Shape (chains,): its number minus that of the chain around it, which is 0 for none."""

    chain_call_file: _T
    """Shape (chains,), signed: the file of the call site minus that of the name around it."""

    chain_call_line: _T
    """Shape (chains,), signed: the line of the call site minus that of the name around it."""

    name: _T
    """Shape (symbols + chains,): how far the name is below the next new one, by `mark_new`."""

    name_file: _T
    """Shape (names,): the file of the name's first code."""

    name_line: _T
    """Shape (names,): the line of the name's first code."""


COLUMN: Final = PageColumns(*range(len(PageColumns._fields)))
"""The position of each column."""


def column_lengths(ranges: int, symbols: int, chains: int, names: int) -> list[int]:
    """Return the number of values of each of `PageColumns`."""
    of_ranges = [ranges, ranges, ranges, ranges, ranges]
    of_others = [symbols, symbols, symbols, chains, chains, chains, symbols + chains, names, names]
    return of_ranges + of_others


NONE_CODE: Final = 1
"""The code of no symbol or chain. Like a code for an old number, it uses up no new number."""


def codes_with_none(numbers: Integers, page: Integers) -> Integers:
    """Return how far each number is below the next new one, with `NONE_CODE` reserved for `NONE`.

    Codes from `NONE_CODE` on are therefore one higher. Numbers count from 1 on each `page`, in
    order of first use.
    """
    below = below_next(numbers - 1, page)
    codes: Integers = np.where(numbers == NONE, NONE_CODE, below + (below >= NONE_CODE))
    return codes


def number_of_code(newest: int, code: int) -> int:
    """Return the number that `codes_with_none` encoded.

    `newest` is the highest number up to and including this one.
    """
    return NONE if code == NONE_CODE else newest - max(code - 2, 0)
