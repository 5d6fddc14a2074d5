"""Writes the pages of a module."""

import random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols import page_layout
from symbolon_server.symbols.column_codes import Groups, Integers, below_next, write_column, zigzag
from symbolon_server.symbols.envelope import FORMAT_VERSION, seal
from symbolon_server.symbols.page_layout import PageColumns
from symbolon_server.symbols.pages import IngestFacts, PageDirectory, PagedModule
from symbolon_server.symbols.records import NO_FILE
from symbolon_server.symbols.resolution import NO_INLINE
from symbolon_server.symbols.strings import NO_TEXT
from symbolon_server.symbols.symbol_table import NO_SYMBOL, SymbolTable

PAGE_WEIGHT: Final = 4096
"""The weight of a page: 8 to 16 KB when compressed, in symbol files of every kind seen."""

CHAIN_WEIGHT: Final = 3
"""What a new chain of inline frames weighs; a range weighs 1."""


def new_generation(randomness: random.Random) -> str:
    """Return a generation that no other ingest has, as part of the keys of its pages."""
    return f"{FORMAT_VERSION}-{randomness.getrandbits(64):016x}"


def write_pages(table: SymbolTable, generation: str, ingest: IngestFacts) -> PagedModule:
    """Return the pages of `table` and their directory."""
    firsts = _find_first_rows(table)
    ends = [*firsts[1:].tolist(), len(table.ranges.start)]
    pages = tuple(
        write_page(table, first, end) for first, end in zip(firsts.tolist(), ends, strict=True)
    )
    stored_bytes = sum(len(page) for page in pages)
    first_offsets = table.ranges.start[firsts]
    return PagedModule(
        PageDirectory(generation, table.facts, ingest, stored_bytes, first_offsets), pages
    )


def _find_first_rows(table: SymbolTable) -> NDArray[np.int64]:
    """Return the row of the range that each page starts with."""
    chains, first_uses = np.unique(table.ranges.chain, return_index=True)
    weights = np.ones(len(table.ranges.chain), np.int64)
    weights[first_uses[chains >= 0]] += CHAIN_WEIGHT
    pages = np.cumsum(weights) // PAGE_WEIGHT
    return np.flatnonzero(np.diff(pages, prepend=-1))


def write_page(table: SymbolTable, first: int, end: int) -> bytes:
    """Return the page that answers for the ranges from row `first` up to row `end`."""
    ranges, symbols, chains = table.ranges, table.symbols, table.chains
    rows = slice(first, end)
    start = ranges.start[rows]
    range_symbol, symbol_rows = _number(ranges.symbol[rows], none=NO_SYMBOL)
    range_chain, chain_rows = _number_chains(ranges.chain[rows], chains.around)
    chain_around = _renumber(chains.around[chain_rows], chain_rows)
    names, name_texts = _number(
        np.concatenate([symbols.name[symbol_rows], chains.origin[chain_rows]]), none=NO_FILE
    )
    paths, path_texts = _number(
        np.concatenate([ranges.file[rows], np.maximum(chains.call_file[chain_rows], NO_TEXT)]),
        none=NO_TEXT,
    )
    symbol_name, chain_origin = np.split(names - 1, [len(symbol_rows)])
    range_file, chain_call_file = np.split(paths, [end - first])
    by_name = Groups.of(
        page_layout.names_of_code(range_symbol, range_chain, symbol_name, chain_origin)
    )
    by_outer = Groups.of(page_layout.names_around(chain_around, chain_origin))
    texts = [table.texts[text] for text in (*name_texts.tolist(), *path_texts.tolist())]
    columns = PageColumns(
        range_step=np.diff(start, prepend=start[:1]),
        range_symbol=zigzag(np.diff(range_symbol, prepend=0)),
        range_chain=_write_chains(range_chain),
        range_file=zigzag(by_name.differences(range_file)),
        range_line=zigzag(by_name.differences(ranges.line[rows].astype(np.int64))),
        symbol_start=zigzag((symbols.start[symbol_rows] - start[0]).view(np.int64)),
        symbol_name=zigzag(below_next(names - 1))[: len(symbol_rows)],
        symbol_is_multiple=symbols.is_multiple[symbol_rows].astype(np.uint64),
        chain_around=(np.arange(1, len(chain_rows) + 1) - chain_around).view(np.uint64),
        chain_origin=zigzag(below_next(names - 1))[len(symbol_rows) :],
        chain_call_file=zigzag(by_outer.differences(chain_call_file)),
        chain_call_line=zigzag(by_outer.differences(chains.call_line[chain_rows].astype(np.int64))),
        text_length=np.array([len(text) for text in texts], np.uint64),
    )
    header = page_layout.HEADER.pack(
        int(start[0]),
        end - first,
        len(symbol_rows),
        len(chain_rows),
        len(name_texts),
        len(path_texts),
    )
    return seal(
        page_layout.MARK, b"".join([header, *(write_column(column) for column in columns), *texts])
    )


def _number(values: NDArray[np.int32], none: int) -> tuple[Integers, Integers]:
    """Return each value's number, from 1 in the order of first use, and the values by number.

    The value `none` has number 0 and is not among them.
    """
    distinct, first_uses, places = np.unique(values, return_index=True, return_inverse=True)
    by_use = np.argsort(np.where(distinct == none, -1, first_uses))
    numbers = np.empty(len(distinct), np.int64)
    numbers[by_use] = np.arange(len(distinct))
    if not (distinct == none).any():
        return numbers[places] + 1, distinct[by_use].astype(np.int64)
    return numbers[places], distinct[by_use[1:]].astype(np.int64)


def _number_chains(used: NDArray[np.int32], around: NDArray[np.int32]) -> tuple[Integers, Integers]:
    """Return each range's chain by number, and the rows of the chains by number less 1.

    Chains count from 1, in the order of their first use, each after those around it.
    """
    numbers = {NO_INLINE: page_layout.NONE}
    row_around = around.data
    rows = used.tolist()
    for chain in dict.fromkeys(rows):
        inner, outer = [], chain
        while outer not in numbers:
            inner.append(outer)
            outer = row_around[outer]
        for row in reversed(inner):
            numbers[row] = len(numbers)
    return (
        np.array([numbers[row] for row in rows], np.int64),
        np.fromiter(numbers, np.int64, len(numbers))[1:],
    )


def _renumber(rows: NDArray[np.int32], chain_rows: Integers) -> Integers:
    """Return the numbers of the chains in `rows`, all of which are in `chain_rows`."""
    by_row = np.argsort(chain_rows)
    numbers = np.full(len(rows), page_layout.NONE, np.int64)
    is_chain = rows != NO_INLINE
    numbers[is_chain] = by_row[np.searchsorted(chain_rows[by_row], rows[is_chain])] + 1
    return numbers


def _write_chains(chains: Integers) -> NDArray[np.uint64]:
    below = zigzag(below_next(chains - 1)) + np.uint64(1)
    return np.where(chains == page_layout.NONE, np.uint64(0), below)
