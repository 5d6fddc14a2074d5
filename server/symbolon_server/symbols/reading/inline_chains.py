"""Chains of inline frames, found level by level.

Only the level of an INLINE record says what is inlined into what. The chain at an offset is the
call of level 0 that covers it, then that of level 1, and so on, up to the first level without one.
Neither the order of the records nor containment matters: mozilla/dump_syms writes one record for a
call that it merged over several callers, sorted by first offset, so a call may extend past the ends
of its callers and precede them.

No known writer makes overlapping ranges of one level. If they overlap, the one that starts last
wins; with the same start the shorter one; if they are equal, the last record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.reading.columns import (
    Indexes,
    InlineColumns,
    RangeColumns,
    find_changes,
    join,
    select,
)
from symbolon_server.symbols.reading.overlaps import Keys, find_clusters
from symbolon_server.symbols.reading.records import LINE_FILE

MAX_DEPTH: Final = 500
"""The deepest level in answers, each of which has that many inline frames; 53 occur in practice."""

NO_INLINE: Final = -1
"""The chain of a range without inline frames, and what is around an outermost one."""


@dataclass(frozen=True, slots=True)
class Chains:
    """Chains of inline frames, as steps from the chain around; columns have shape (chains,)."""

    around: NDArray[np.int32]
    """The chain around each, or `NO_INLINE` in the function itself."""

    origin: NDArray[np.int32]
    call_line: NDArray[np.uint32]
    call_file: NDArray[np.int32]


NO_CHAINS: Final = Chains(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.int32)
)


@dataclass(frozen=True, slots=True)
class LevelCalls:
    """The calls of one level, without overlaps, sorted by start; columns have shape (spans,)."""

    starts: Keys
    lasts: Keys
    row: Indexes
    """Row in the columns of the INLINE records."""

    def find(self, keys: Keys) -> tuple[NDArray[np.bool_], Indexes]:
        """Return whether a call covers each key, shape (keys,), and the rows of those that do."""
        places = np.searchsorted(self.starts, keys, side="right") - 1
        is_covered = (places >= 0) & (self.lasts[places] >= keys)
        return is_covered, self.row[places[is_covered]]


def split_by_level(
    starts: Keys, lasts: Keys, ranges: RangeColumns, inlines: InlineColumns
) -> list[LevelCalls]:
    """Return the calls of each level from 0 up to the first one without calls.

    `starts` and `lasts`, both shape (ranges,), are the first and last key of each of `ranges`
    within its function.
    """
    row = np.searchsorted(inlines.number, ranges.record)
    level = inlines.level[row]
    by_level = np.argsort(level, kind="stable")
    levels: list[LevelCalls] = []
    first = 0
    while first < len(by_level) and level[by_level[first]] == len(levels) < MAX_DEPTH:
        end = int(np.searchsorted(level, len(levels), side="right", sorter=by_level))
        members = by_level[first:end]
        calls = LevelCalls(starts[members], lasts[members], row[members])
        levels.append(_flatten(calls, select(ranges, members)))
        first = end
    return levels


def _flatten(calls: LevelCalls, ranges: RangeColumns) -> LevelCalls:
    """Return `calls`, which are the rows of `ranges`, sorted and without overlaps."""
    clusters = find_clusters(calls.starts, calls.lasts)
    if clusters:
        is_alone = np.ones(len(calls.starts), np.bool_)
        is_alone[np.concatenate(clusters)] = False
        visible = [select(calls, is_alone)]
        visible += [_paint(select(calls, one), select(ranges, one)) for one in clusters]
        calls = join(visible)
    return select(calls, np.argsort(calls.starts, kind="stable"))


def _paint(calls: LevelCalls, ranges: RangeColumns) -> LevelCalls:
    """Return the visible parts of `calls` when those that win are painted over the others."""
    order = np.lexsort((~(ranges.size - np.uint64(1)), ranges.start))
    starts, lasts = calls.starts[order].tolist(), calls.lasts[order].tolist()
    spans = list(_paint_in_order(starts, lasts))
    first, last, place = (list(column) for column in zip(*spans, strict=True))
    return LevelCalls(
        np.array(first, np.uint64),
        np.array(last, np.uint64),
        calls.row[order[np.array(place, np.int64)]],
    )


def _paint_in_order(starts: Sequence[int], lasts: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield first, last and place of each visible part; later ranges cover earlier ones.

    `starts` ascend, so the open ranges form a stack with the visible one on top. One below it that
    has ended is dropped when it reaches the top.
    """
    stack: list[int] = []
    at = 0
    for place, start in enumerate([*starts, None]):
        while stack and (start is None or at < start):
            top = stack[-1]
            last = lasts[top] if start is None else min(lasts[top], start - 1)
            if at <= last:
                yield at, last, top
                at = last + 1
            if lasts[top] < at:
                stack.pop()
        if start is not None:
            at = start
            stack.append(place)


def chain_calls(
    levels: Sequence[LevelCalls], inlines: InlineColumns, keys: Keys, line_files: NDArray[np.int32]
) -> tuple[NDArray[np.int32], Chains]:
    """Return the chain at each of `keys`, or `NO_INLINE`, and the chains, outer ones first.

    `line_files`, shape (keys,), has the file of the line record at each key. The older generation
    of INLINE records has no file of the call site, and means this one.
    """
    chain = np.full(len(keys), NO_INLINE, np.int32)
    parts: list[Chains] = [NO_CHAINS]
    count = 0
    inside = np.arange(len(keys))
    for level in levels:
        is_covered, row = level.find(keys[inside])
        inside = inside[is_covered]
        call_file = inlines.call_file[row]
        call_file = np.where(call_file == LINE_FILE, line_files[inside], call_file)
        heads, numbers = _number_calls(chain[inside], row, call_file)
        parts.append(
            Chains(
                chain[inside[heads]],
                inlines.origin[row[heads]],
                inlines.call_line[row[heads]],
                call_file[heads],
            )
        )
        chain[inside] = count + numbers
        count += len(heads)
    return chain, join(parts)


def _number_calls(
    around: NDArray[np.int32], row: Indexes, call_file: NDArray[np.int32]
) -> tuple[Indexes, Indexes]:
    """Return one position of each distinct call, and the number of the call at each position.

    Neighbours are mostly the same call, so only the first of each run is sorted.
    """
    is_run = find_changes(row, around, call_file)
    (runs,) = np.nonzero(is_run)
    order = np.lexsort((call_file[runs], around[runs], row[runs]))
    sorted_runs = runs[order]
    is_new = find_changes(row[sorted_runs], around[sorted_runs], call_file[sorted_runs])
    number_of_run = np.empty(len(runs), np.int64)
    number_of_run[order] = np.cumsum(is_new) - 1
    return sorted_runs[is_new], number_of_run[np.cumsum(is_run) - 1]


def order_by_use(used: NDArray[np.int32], chains: Chains) -> tuple[NDArray[np.int32], Chains]:
    """Return the chain of each range and the chains, numbered in the order of their first use.

    A chain around another is used wherever that one is, and comes before it. `used`, shape
    (ranges,), has the chain of each range. Unused chains are dropped.
    """
    first_rows = _find_first_rows(used, chains)
    (needed,) = np.nonzero(first_rows < len(used))
    order = needed[np.argsort(first_rows[needed], kind="stable")]
    numbers = np.full(len(chains.around) + 1, NO_INLINE, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    ordered = select(chains, order)
    return numbers[used], Chains(
        numbers[ordered.around], ordered.origin, ordered.call_line, ordered.call_file
    )


def _find_first_rows(used: NDArray[np.int32], chains: Chains) -> NDArray[np.int64]:
    """Return the first row that needs each chain, or the number of rows if none does."""
    first_rows = np.full(len(chains.around), len(used))
    rows = np.flatnonzero(used != NO_INLINE)
    first_rows[used[rows][::-1]] = rows[::-1]
    (inner,) = np.nonzero(first_rows < len(used))
    while len(inner):
        inner = inner[chains.around[inner] != NO_INLINE]
        around = chains.around[inner]
        is_earlier = first_rows[inner] < first_rows[around]
        np.minimum.at(first_rows, around[is_earlier], first_rows[inner[is_earlier]])
        inner = around[is_earlier]
    return first_rows
