"""Gives functions that only the symbol table has the lines of the line tables."""

from dataclasses import replace

import numpy as np

from symbolon_server.symbols.native.line_programs import END
from symbolon_server.symbols.native.line_tables import LineTables
from symbolon_server.symbols.native.strings import NOT_IN_TEXTS
from symbolon_server.symbols.native.symbol_spans import SymbolSpans
from symbolon_server.symbols.reading.columns import find_changes, select
from symbolon_server.symbols.reading.named_records import StringPool
from symbolon_server.symbols.reading.spelling import clean_path
from symbolon_server.symbols.reading.symbol_table import Ranges


def add_lines(
    ranges: Ranges, spans: SymbolSpans, tables: LineTables, pool: StringPool
) -> tuple[Ranges, SymbolSpans]:
    """Return ranges with the lines of public symbols, which then are functions, and the symbols.

    `ranges` end with a gap. A line that begins before the symbol is that of another function, into
    whose code the symbol leads.
    """
    lacks = np.append(spans.is_public, np.False_)[ranges.symbol] & (ranges.line == 0)
    lacking = np.flatnonzero(lacks)
    if not len(lacking):
        return ranges, spans
    found = tables.find(ranges.start[lacking], ranges.start[lacking + 1])
    around = np.searchsorted(ranges.start, found.lines.start, side="right") - 1
    lines = select(found.lines, (around >= 0) & lacks[around])
    if not len(lines.start):
        return ranges, spans
    start = np.sort(np.concatenate([ranges.start, lines.start]))
    start = start[find_changes(start)]
    old = np.searchsorted(ranges.start, start, side="right") - 1
    row = np.searchsorted(lines.start, start, side="right") - 1
    is_new = lacks[old] & (row >= 0)
    is_new[is_new] = lines.start[row[is_new]] >= ranges.start[old[is_new]]
    split = replace(select(ranges, old), start=start)
    used, places = np.unique(lines.file[row[is_new]], return_inverse=True)
    paths = [b"" if file == END else found.paths[file] for file in used.tolist()]
    texts = [pool.put(clean_path(path.translate(NOT_IN_TEXTS))) for path in paths]
    split.file[is_new] = np.array(texts, np.int32)[places]
    split.line[is_new] = lines.line[row[is_new]]
    is_public = spans.is_public.copy()
    is_public[split.symbol[is_new & (split.line != 0)]] = False
    is_first = find_changes(split.symbol, split.chain, split.file, split.line)
    return select(split, is_first), replace(spans, is_public=is_public)
