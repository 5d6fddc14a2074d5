"""Builds a module's table from the bytes of a SymCache."""

from dataclasses import replace
from typing import Final

import numpy as np

from symbolon_server.symbols.ground.pages import ModuleFacts
from symbolon_server.symbols.native.columns import SymCacheColumns, read_columns
from symbolon_server.symbols.native.inlining import Inlining, find_inlining
from symbolon_server.symbols.native.line_tables import LineTables
from symbolon_server.symbols.native.missing_lines import add_lines
from symbolon_server.symbols.native.names import number_names, number_paths
from symbolon_server.symbols.native.symbol_spans import SymbolSpans, find_symbols
from symbolon_server.symbols.native.thumb import repair_thumb
from symbolon_server.symbols.reading.columns import find_changes, select
from symbolon_server.symbols.reading.inline_chains import NO_INLINE, Chains
from symbolon_server.symbols.reading.named_records import StringPool
from symbolon_server.symbols.reading.symbol_table import (
    NO_SYMBOL,
    NO_TEXT,
    UNNAMED_ORIGIN,
    Ranges,
    Symbols,
    SymbolTable,
)

END: Final = 1 << 32
"""The end of the module offsets that a SymCache covers."""

UNNAMED_INLINES: Final = "unnamed_inlines"
"""The kind, among bad records, of an inline frame whose name the file does not have."""

_OF_WINDOWS = ("pe", "pdb")
_DECORATES = "x86"
"""The only architecture of Windows on which C names begin with an underscore; the library takes it
from the mangled names of all."""


def read_symcache(
    data: bytes,
    facts: ModuleFacts,
    *,
    are_demangled: bool = True,
    with_linkage_names: bool = False,
    line_tables: LineTables | None = None,
) -> SymbolTable:
    """Return the table of the SymCache `data`, and `facts` with its counts.

    Functions that only the symbol table has get their lines from `line_tables`.
    Raises `MalformedSymbolFileError` if it is damaged. Mangled names are demangled if
    `are_demangled`; `with_linkage_names` they have these behind them.
    """
    cache = repair_thumb(read_columns(data))
    inlining = find_inlining(cache.calls, cache.locations)
    symbol, spans = find_symbols(cache.functions, cache.starts, inlining.function)
    pool = StringPool()
    ranges, chains = _number_files(cache, inlining, symbol, pool)
    if line_tables is not None:
        ranges, spans = add_lines(ranges, spans, line_tables, pool)
    rows = np.concatenate([spans.row, chains.origin])
    names = number_names(
        cache.functions,
        rows,
        cache.strings,
        pool,
        are_demangled=are_demangled,
        with_linkage_names=with_linkage_names,
        lack_underscore=facts.format in _OF_WINDOWS and facts.architecture != _DECORATES,
    )
    symbols = _make_symbols(spans, names[: len(spans.row)])
    chains = replace(chains, origin=names[len(spans.row) :])
    return SymbolTable(
        _count(facts, ranges, symbols, chains, pool.texts), ranges, symbols, chains, pool.texts
    )


def _number_files(
    cache: SymCacheColumns, inlining: Inlining, symbol: np.ndarray, pool: StringPool
) -> tuple[Ranges, Chains]:
    """Return the ranges, and the chains, with texts as files."""
    locations, chains = cache.locations, inlining.chains
    used = np.concatenate([locations.file, chains.call_file])
    numbers = number_paths(cache.files, used, cache.strings, pool)
    line = locations.line.copy()
    line[symbol == NO_SYMBOL] = 0
    ranges = Ranges(
        cache.starts.astype(np.uint64), symbol, inlining.chain, numbers[locations.file], line
    )
    is_new = find_changes(ranges.symbol, ranges.chain, ranges.file, ranges.line)
    return _end(select(ranges, is_new)), replace(chains, call_file=numbers[chains.call_file])


def _end(ranges: Ranges) -> Ranges:
    """Return `ranges` with a gap at `END`, unless the last one is a gap."""
    if not len(ranges.start) or ranges.symbol[-1] == NO_SYMBOL:
        return ranges
    return Ranges(
        np.append(ranges.start, np.uint64(END)),
        np.append(ranges.symbol, np.int32(NO_SYMBOL)),
        np.append(ranges.chain, np.int32(NO_INLINE)),
        np.append(ranges.file, np.int32(NO_TEXT)),
        np.append(ranges.line, np.uint32(0)),
    )


def _make_symbols(spans: SymbolSpans, names: np.ndarray) -> Symbols:
    is_multiple = np.zeros(len(names), np.bool_)
    size = np.where(spans.is_public, np.uint64(0), spans.size)
    return Symbols(spans.start, size, names, is_multiple, spans.is_public)


def _count(
    facts: ModuleFacts, ranges: Ranges, symbols: Symbols, chains: Chains, texts: list[bytes]
) -> ModuleFacts:
    publics = int(symbols.is_public.sum())
    unnamed = sum(texts[origin] == UNNAMED_ORIGIN for origin in chains.origin.tolist())
    return facts._replace(
        functions=len(symbols.start) - publics,
        public_symbols=publics,
        ranges=len(ranges.start),
        skipped_records={UNNAMED_INLINES: unnamed} if unnamed else {},
    )
