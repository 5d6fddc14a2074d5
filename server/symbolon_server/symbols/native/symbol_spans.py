"""The symbols of a SymCache: where each starts and how far it reaches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.native.columns import ABSENT, NONE, FunctionColumns, Numbers, Rows
from symbolon_server.symbols.reading.columns import find_changes
from symbolon_server.symbols.reading.symbol_table import NO_SYMBOL


@dataclass(frozen=True, slots=True)
class SymbolSpans:
    """The functions and public symbols that ranges have; columns have shape (symbols,)."""

    row: Rows
    """Row of each in the functions of the SymCache."""

    start: NDArray[np.uint64]
    size: NDArray[np.uint64]
    """To the end of the ranges that follow its start without a gap; 0 where the last range has no
    end."""

    is_public: NDArray[np.bool_]


def find_symbols(
    functions: FunctionColumns, starts: Numbers, function: Rows
) -> tuple[NDArray[np.int32], SymbolSpans]:
    """Return the symbol of each range, or `NO_SYMBOL`, and the symbols.

    `starts` and `function`, both shape (ranges,), are the start of each range and the row of its
    function, which is `ABSENT` in a gap.
    """
    is_used = np.zeros(len(functions.start), np.bool_)
    is_used[function[function != ABSENT]] = True
    row = np.flatnonzero(is_used).astype(np.int32)
    numbers = np.full(len(is_used) + 1, NO_SYMBOL, np.int32)
    numbers[row] = np.arange(len(row), dtype=np.int32)
    symbol = numbers[function]
    is_public = functions.language[row] == NONE
    start, size = _find_spans(functions.start[row].astype(np.int64), starts, symbol)
    return symbol, SymbolSpans(row, start.astype(np.uint64), size.astype(np.uint64), is_public)


def _find_spans(
    entries: NDArray[np.int64], starts: Numbers, symbol: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and size of each symbol.

    A symbol starts at its entry, or where its ranges do if they start before it. Of several runs of
    ranges, with others in between, the one with the start counts, or the first after it.
    """
    firsts = np.flatnonzero(find_changes(symbol))
    run_starts = starts[firsts].astype(np.int64)
    run_ends = np.append(run_starts[1:], -1)
    runs = symbol[firsts]
    is_run = runs != NO_SYMBOL
    run_starts, run_ends, runs = run_starts[is_run], run_ends[is_run], runs[is_run]
    start, end = entries.copy(), np.zeros(len(entries), np.int64)
    # Where a symbol has several runs, the last assignment stands: that of its first run.
    earliest = np.empty(len(entries), np.int64)
    earliest[runs[::-1]] = run_starts[::-1]
    end[runs[::-1]] = run_ends[::-1]
    start = np.minimum(start, earliest)
    holds = (run_starts <= start[runs]) & (start[runs] < run_ends)
    end[runs[holds]] = run_ends[holds]
    return start, np.where(end < 0, 0, end - start)
