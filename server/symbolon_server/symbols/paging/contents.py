"""Writes the contents of pages, many at a time; `layout` says what they are."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.paging.column_codes import (
    Integers,
    below_next,
    first_values,
    mark_new,
    write_columns_of_pages,
    zigzag,
)
from symbolon_server.symbols.paging.layout import (
    HEADER,
    IS_MULTIPLE,
    IS_PUBLIC,
    NO_NAME,
    NONE,
    TEXT_END,
    PageColumns,
    codes_with_none,
)
from symbolon_server.symbols.paging.rows import PageChains, PageRows, PageRowsOfTwo
from symbolon_server.symbols.reading.columns import select
from symbolon_server.symbols.reading.symbol_table import NO_TEXT, Symbols, SymbolTable

CHAIN_WEIGHT: Final = 3
"""The weight of a new chain of inline frames; a range weighs 1."""

MAX_PAGE_BYTES: Final = 1 << 24
"""The largest content of a page of more than one range; names of 82 KB occur in practice."""

Rows = tuple[int, int]
"""The row of the first range of a page, and the end of its rows."""


class PageContents:
    """Writes the contents of the pages of one table. Thread-safe."""

    def __init__(self, table: SymbolTable) -> None:
        self._table = table
        self._chains_before = np.zeros(len(table.ranges.chain) + 1, np.int32)
        np.maximum.accumulate(table.ranges.chain + 1, out=self._chains_before[1:])
        """Shape (ranges + 1,): number of chains that the ranges before each one use."""

    def cut(self, page_weight: int) -> list[Rows]:
        """Return the rows of each page of about this weight."""
        ranges = len(self._chains_before) - 1
        weights = np.multiply(self._chains_before[1:], CHAIN_WEIGHT, dtype=np.int64)
        weights += np.arange(1, ranges + 1)
        ends = np.arange(0, weights.max(initial=-1) + 1, page_weight)
        first_rows = np.unique(np.searchsorted(weights, ends))
        return list(pairwise([*first_rows.tolist(), ranges]))

    def write(self, pages: Sequence[Rows]) -> Iterator[tuple[Rows, bytes]]:
        """Yield the contents of pages with their rows.

        The columns of all `pages` are computed at once, a content only when it is taken. A page
        whose texts are so long that readers would refuse it is split in half.
        """
        for (first, end), content in zip(pages, self._write(pages), strict=True):
            if len(content) <= MAX_PAGE_BYTES or end - first == 1:
                yield (first, end), content
            else:
                middle = (first + end) // 2
                yield from self.write([(first, middle), (middle, end)])

    def _write(self, pages: Sequence[Rows]) -> Iterator[bytes]:
        """Yield the content of each page, whatever its size."""
        table, rows = self._table, np.array(pages)
        of_ranges = PageRows(rows[:, 1] - rows[:, 0])
        ranges = select(table.ranges, of_ranges.count_from(rows[:, 0]))
        page_start = ranges.start[of_ranges.firsts[:-1]]
        range_step = np.diff(ranges.start, prepend=page_start[:1])
        range_step[of_ranges.firsts[:-1]] = 0

        range_symbol, symbol_rows, of_symbols = of_ranges.number(ranges.symbol)
        symbols = select(table.symbols, symbol_rows)
        symbol_start = symbols.start - page_start[of_symbols.page]

        new_chains = self._chains_before[rows]
        page_chains = PageChains(table.chains.around, new_chains, of_ranges, ranges.chain)
        of_chains = page_chains.rows
        chains = select(table.chains, page_chains.chain)
        range_chain = page_chains.number(of_ranges.page, ranges.chain)
        chain_around = page_chains.number(of_chains.page, chains.around)
        chain = of_chains.count_from(np.ones(len(pages), np.int64))

        named = PageRowsOfTwo(of_symbols, of_chains)
        name, name_texts, of_names = named.rows.number(named.join(symbols.name, chains.origin))
        names = named.split(of_names.places(named.rows.page, name) - 1)
        symbol_name, chain_name = map(_behind_none, names)
        range_name = np.where(
            range_chain == NONE,
            symbol_name[of_symbols.places(of_ranges.page, range_symbol)],
            chain_name[of_chains.places(of_ranges.page, range_chain)],
        )
        name_around = chain_name[of_chains.places(of_chains.page, chain_around)]

        code = PageRowsOfTwo(of_ranges, of_chains)
        code_name = code.join(range_name, name_around)
        code_line = code.join(ranges.line, chains.call_line)
        text = code.join(ranges.file, chains.call_file)
        code_file, file_texts, of_files = code.rows.number(np.where(text == NO_TEXT, -1, text))
        name_file = first_values(code_name, code_file, len(name_texts))
        name_line = first_values(code_name, code_line, len(name_texts))
        range_file, call_file = code.split(code_file - name_file[code_name])
        range_line, call_line = code.split(code_line - name_line[code_name])

        columns = PageColumns(
            range_step=(range_step, of_ranges),
            range_symbol=(mark_new(codes_with_none(range_symbol, of_ranges.page)), of_ranges),
            range_chain=(zigzag(codes_with_none(range_chain, of_ranges.page)), of_ranges),
            range_file=(zigzag(range_file), of_ranges),
            range_line=(zigzag(range_line), of_ranges),
            symbol_start=(zigzag(symbol_start.view(np.int64)), of_symbols),
            symbol_size=(symbols.size, of_symbols),
            symbol_flags=(_flags(symbols), of_symbols),
            chain_around=((chain - chain_around).view(np.uint64), of_chains),
            chain_call_file=(zigzag(call_file), of_chains),
            chain_call_line=(zigzag(call_line), of_chains),
            name=(mark_new(below_next(name - 1, named.rows.page)), named.rows),
            name_file=(name_file[:-1].view(np.uint64), of_names),
            name_line=(name_line[:-1].view(np.uint64), of_names),
        )
        sizes = (of.counts for of in (of_ranges, of_symbols, of_chains, of_names, of_files))
        headers = zip(*(column.tolist() for column in (page_start, *sizes)), strict=True)
        parts = (
            starmap(HEADER.pack, headers),
            write_columns_of_pages([(values, of.firsts) for values, of in columns]),
            self._texts(name_texts, of_names),
            self._texts(file_texts, of_files),
        )
        yield from map(b"".join, zip(*parts, strict=True))

    def _texts(self, numbers: Integers, rows: PageRows) -> Iterator[bytes]:
        """Yield the texts of each page."""
        texts = [self._table.texts[number] for number in numbers.tolist()]
        for first, end in pairwise(rows.firsts.tolist()):
            yield TEXT_END.join([*texts[first:end], b""])


def _behind_none(names: Integers) -> Integers:
    return np.concatenate([[NO_NAME], names])


def _flags(symbols: Symbols) -> NDArray[np.uint64]:
    flags: NDArray[np.uint64] = IS_MULTIPLE * symbols.is_multiple.astype(np.uint64)
    return flags + IS_PUBLIC * symbols.is_public.astype(np.uint64)
