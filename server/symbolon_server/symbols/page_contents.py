"""Writes the contents of pages."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols import page_layout
from symbolon_server.symbols.column_codes import (
    Integers,
    below_next,
    first_values,
    mark_new,
    write_columns,
    zigzag,
)
from symbolon_server.symbols.columns import select
from symbolon_server.symbols.first_uses import FirstUses
from symbolon_server.symbols.page_layout import PageColumns
from symbolon_server.symbols.resolution import NO_INLINE
from symbolon_server.symbols.strings import NO_TEXT
from symbolon_server.symbols.symbol_table import Symbols, SymbolTable

CHAIN_WEIGHT: Final = 3
"""What a new chain of inline frames weighs; a range weighs 1."""

MAX_PAGE_BYTES: Final = 1 << 24
"""The largest content of a page of more than one range; names of 82 KB are seen in practice."""

Rows = tuple[int, int]
"""The row of the first range of some pages, and the row behind their last."""


class PageContents:
    """Writes the contents of the pages of one table; used by one thread.

    The table numbers its chains in the order of their first use. So the chains that a page uses
    before any other page are consecutive, and only those of earlier pages have to be looked for.
    """

    def __init__(self, table: SymbolTable) -> None:
        """Write pages of `table`."""
        self._table = table
        self._symbols = FirstUses(len(table.symbols.start))
        self._texts = FirstUses(len(table.texts))
        highest = np.maximum.accumulate(table.ranges.chain)
        self._chains_before = np.concatenate([[0], highest + 1])
        """Shape (ranges + 1,): how many chains the ranges before each one use."""

    def cut(self, page_weight: int) -> list[Rows]:
        """Return the ranges of each page: its first row, and the row behind its last."""
        weights = 1 + CHAIN_WEIGHT * np.diff(self._chains_before)
        pages = np.cumsum(weights) // page_weight
        first_rows = np.flatnonzero(np.diff(pages, prepend=-1)).tolist()
        return list(pairwise([*first_rows, len(weights)]))

    def write(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield the contents of pages for the ranges from row `first` up to row `end`.

        Each comes with its first row. It is one page, unless its texts are so long that readers
        would refuse it: then it is halved.
        """
        content = self._write(first, end)
        if len(content) <= MAX_PAGE_BYTES or end - first == 1:
            yield first, content
            return
        middle = (first + end) // 2
        yield from self.write(first, middle)
        yield from self.write(middle, end)

    def _write(self, first: int, end: int) -> bytes:
        """Return the content of the page for the ranges from row `first` up to row `end`."""
        table, rows = self._table, slice(first, end)
        start = table.ranges.start[rows]
        range_symbol, symbol_rows = self._symbols.number(table.ranges.symbol[rows])
        chain_rows = self._find_chains(first, end)
        chains = select(table.chains, chain_rows)
        range_chain = np.searchsorted(chain_rows, table.ranges.chain[rows], side="right")
        chain_around = np.searchsorted(chain_rows, chains.around, side="right")
        symbols = select(table.symbols, symbol_rows)
        names, name_texts = self._texts.number(np.concatenate([symbols.name, chains.origin]))
        paths, path_texts = self._texts.number(
            _none_is_negative(np.concatenate([table.ranges.file[rows], chains.call_file]))
        )
        name = np.concatenate([[page_layout.NO_NAME], names - 1])
        code = page_layout.names_of_code(range_symbol, range_chain, name)
        outer = page_layout.names_around(chain_around, name)
        names_there = np.concatenate([code, outer])
        lines = np.concatenate([table.ranges.line[rows], chains.call_line]).astype(np.int64)
        name_file = first_values(names_there, paths, len(name_texts))
        name_line = first_values(names_there, lines, len(name_texts))
        range_file, chain_call_file = np.split(paths - name_file[names_there], [end - first])
        range_line, chain_call_line = np.split(lines - name_line[names_there], [end - first])
        texts = [table.texts[text] for text in (*name_texts.tolist(), *path_texts.tolist())]
        columns = PageColumns(
            range_step=np.diff(start, prepend=start[:1]),
            range_symbol=mark_new(page_layout.codes_with_none(range_symbol)),
            range_chain=zigzag(page_layout.codes_with_none(range_chain)),
            range_file=zigzag(range_file),
            range_line=zigzag(range_line),
            symbol_start=zigzag((symbols.start - start[0]).view(np.int64)),
            symbol_flags=_flags(symbols),
            chain_around=(np.arange(1, len(chain_rows) + 1) - chain_around).view(np.uint64),
            chain_call_file=zigzag(chain_call_file),
            chain_call_line=zigzag(chain_call_line),
            name=mark_new(below_next(names - 1)),
            name_file=name_file[:-1].view(np.uint64),
            name_line=name_line[:-1].view(np.uint64),
        )
        counts = end - first, len(symbol_rows), len(chain_rows), len(name_texts), len(path_texts)
        header = page_layout.HEADER.pack(int(start[0]), *counts)
        return b"".join(
            [header, write_columns(columns), *(text + page_layout.TEXT_END for text in texts)]
        )

    def _find_chains(self, first: int, end: int) -> Integers:
        """Return the chains that a page needs, ascending: each comes after those around it."""
        around = self._table.chains.around
        first_new, end_new = self._chains_before[first], self._chains_before[end]
        needed = [np.arange(first_new, end_new)]
        used = np.concatenate([self._table.ranges.chain[first:end], around[first_new:end_new]])
        outer = _distinct(used[(used >= 0) & (used < first_new)])
        while len(outer):
            needed.append(outer)
            outer = around[outer]
            outer = outer[outer != NO_INLINE]
        return _distinct(np.concatenate(needed))


def _distinct(numbers: Integers) -> Integers:
    """Return each of `numbers` once, ascending; of so few `np.unique` takes three times as long."""
    ordered = np.sort(numbers)
    distinct: Integers = ordered[np.diff(ordered, prepend=-1) != 0]
    return distinct


def _flags(symbols: Symbols) -> NDArray[np.uint64]:
    flags: NDArray[np.uint64] = page_layout.IS_MULTIPLE * symbols.is_multiple.astype(np.uint64)
    return flags + page_layout.IS_PUBLIC * symbols.is_public.astype(np.uint64)


def _none_is_negative(texts: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(texts == NO_TEXT, np.int32(-1), texts)
