"""Resolves functions, with their lines and inline frames, into ranges with one answer each."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.reading.columns import (
    FunctionParts,
    Indexes,
    LineColumns,
    Offsets,
    RangeColumns,
    find_changes,
    select,
)
from symbolon_server.symbols.reading.inline_chains import Chains, chain_calls, split_by_level
from symbolon_server.symbols.reading.overlaps import keep_first
from symbolon_server.symbols.reading.records import MAX_OFFSET, NO_FILE

Flags = NDArray[np.bool_]

NO_LINE: Final = 0
"""The line of code without one; line records use it too."""

_KEY_BITS = 64


@dataclass(frozen=True, slots=True)
class FunctionSpans:
    """The functions of one part of a symbol file, by number; columns have shape (functions,)."""

    first: int
    """Number of the first one."""

    starts: Offsets
    sizes: Offsets

    @property
    def lasts(self) -> Offsets:
        """The last offset of each; meaningless where the function is not real."""
        lasts: Offsets = np.minimum(
            self.starts + (self.sizes - np.uint64(1)), np.uint64(MAX_OFFSET)
        )
        return lasts

    @property
    def are_real(self) -> Flags:
        """Where a function is not empty and does not reach beyond 64 bits."""
        space = np.uint64(2**64 - 1) - self.starts
        are_real: Flags = (self.sizes != 0) & (self.sizes - np.uint64(1) <= space)
        return are_real


@dataclass(frozen=True, slots=True)
class ResolvedRanges:
    """Ranges of functions, ascending within each function; columns have shape (ranges,)."""

    owner: Indexes
    start: Offsets
    chain: NDArray[np.int32]
    """The chain of inline frames, or `NO_INLINE`."""

    file: NDArray[np.int32]
    """FILE number or alias, or `records.NO_FILE`."""

    line: NDArray[np.uint32]


def resolve_functions(
    functions: FunctionSpans, parts: FunctionParts
) -> list[tuple[ResolvedRanges, Chains]]:
    """Return the ranges of `functions` and the chains they refer to, for groups of functions.

    `parts` are the records of these functions only. Functions may still overlap. The chains of each
    group are numbered from 0.
    """
    parts = FunctionParts(
        select(parts.lines, _find_relevant(functions, parts.lines)),
        parts.inlines,
        select(parts.ranges, _find_touching(functions, parts.ranges)),
    )
    space = _KeySpace.of(functions, parts.lines)
    if space is not None:
        return [_resolve(functions, parts, space)]
    middle = len(functions.starts) // 2
    before, after = parts.split(functions.first + middle)
    low = FunctionSpans(functions.first, functions.starts[:middle], functions.sizes[:middle])
    high = FunctionSpans(low.first + middle, functions.starts[middle:], functions.sizes[middle:])
    return resolve_functions(low, before) + resolve_functions(high, after)


def _find_touching(functions: FunctionSpans, columns: LineColumns | RangeColumns) -> Flags:
    """Return which spans overlap their function."""
    owner = columns.owner - functions.first
    touches: Flags = (columns.start <= functions.lasts[owner]) & (
        _lasts(columns) >= functions.starts[owner]
    )
    return touches & functions.are_real[owner]


def _find_relevant(functions: FunctionSpans, lines: LineColumns) -> Flags:
    """Return which lines can affect the answers of their function.

    A line outside its function cannot, unless it overlaps one that extends out of the function: of
    these two the first one in the file wins.
    """
    owner = lines.owner - functions.first
    touches = _find_touching(functions, lines)
    reaches_out = touches & (
        (lines.start < functions.starts[owner]) | (_lasts(lines) > functions.lasts[owner])
    )
    if not reaches_out.any():
        return touches
    is_met = np.zeros(len(functions.starts), np.bool_)
    is_met[owner[reaches_out]] = True
    relevant: Flags = touches | (is_met[owner] & functions.are_real[owner])
    return relevant


def _lasts(columns: LineColumns | RangeColumns) -> Offsets:
    lasts: Offsets = np.minimum(
        columns.start + (columns.size - np.uint64(1)), np.uint64(MAX_OFFSET)
    )
    return lasts


@dataclass(frozen=True, slots=True)
class _KeySpace:
    """One axis with a section for each function, so that one sort serves all of them."""

    functions: FunctionSpans
    bases: Offsets
    """Start of each function's section: the lowest offset that can affect it."""

    bits: np.uint64
    """Number of low bits of a key, with the offset from the base; above is the function."""

    @classmethod
    def of(cls, functions: FunctionSpans, lines: LineColumns) -> "_KeySpace | None":
        """Return the space for these functions, or None if they need more than 64 bits."""
        bases, tops = functions.starts.copy(), functions.lasts
        owner = lines.owner - functions.first
        np.minimum.at(bases, owner, lines.start)
        np.maximum.at(tops, owner, _lasts(lines))
        real = functions.are_real
        widest = int((tops - bases)[real].max()) if real.any() else 0
        bits = (widest + 1).bit_length()
        owner_bits = (len(bases) - 1).bit_length()
        if bits + owner_bits > _KEY_BITS:
            return None
        return cls(functions, bases, np.uint64(min(bits, _KEY_BITS - 1)))

    def keys(self, owners: Indexes, offsets: Offsets) -> Offsets:
        """Return the position on the axis of each offset of its owner."""
        numbers = owners - self.functions.first
        keys: Offsets = (numbers.astype(np.uint64) << self.bits) + (offsets - self.bases[numbers])
        return keys

    def owners(self, keys: Offsets) -> Indexes:
        """Return the number of the function in whose section each key lies."""
        if len(self.bases) == 1:
            return np.full(len(keys), self.functions.first)
        return (keys >> self.bits).astype(np.int64) + self.functions.first

    def offsets(self, keys: Offsets, owners: Indexes) -> Offsets:
        """Return the module offset of each key; the inverse of `keys`."""
        numbers = owners - self.functions.first
        offsets: Offsets = keys - (numbers.astype(np.uint64) << self.bits) + self.bases[numbers]
        return offsets


def _resolve(
    functions: FunctionSpans, parts: FunctionParts, space: _KeySpace
) -> tuple[ResolvedRanges, Chains]:
    lines, line_starts, line_lasts = _keep_lines(space, parts.lines)
    levels = split_by_level(*_clip(functions, space, parts.ranges), parts.ranges, parts.inlines)
    cuts = _find_cuts(
        functions,
        space,
        np.concatenate([line_starts, *(level.starts for level in levels)]),
        np.concatenate([line_lasts, *(level.lasts for level in levels)]),
    )
    owners = space.owners(cuts)
    rows = np.searchsorted(line_starts, cuts, side="right") - 1
    has_line = rows >= 0
    has_line[has_line] = line_lasts[rows[has_line]] >= cuts[has_line]
    file = np.full(len(cuts), NO_FILE, np.int32)
    file[has_line] = lines.file[rows[has_line]]
    line = np.full(len(cuts), NO_LINE, np.uint32)
    line[has_line] = lines.line[rows[has_line]]
    chain, chains = chain_calls(levels, parts.inlines, cuts, file)
    ranges = ResolvedRanges(owners, space.offsets(cuts, owners), chain, file, line)
    is_new = find_changes(ranges.owner, ranges.chain, ranges.file, ranges.line)
    return select(ranges, is_new), chains


def _clip(
    functions: FunctionSpans, space: _KeySpace, ranges: RangeColumns
) -> tuple[Offsets, Offsets]:
    """Return the first and last key of each range, clipped to its function."""
    owner = ranges.owner - functions.first
    starts = np.maximum(ranges.start, functions.starts[owner])
    lasts = np.minimum(_lasts(ranges), functions.lasts[owner])
    return space.keys(ranges.owner, starts), space.keys(ranges.owner, lasts)


def _keep_lines(space: _KeySpace, lines: LineColumns) -> tuple[LineColumns, Offsets, Offsets]:
    """Return the lines that stay, sorted by key, with their first and last keys."""
    starts, lasts = space.keys(lines.owner, lines.start), space.keys(lines.owner, _lasts(lines))
    kept = np.flatnonzero(keep_first(starts, lasts))
    kept = kept[np.argsort(starts[kept], kind="stable")]
    return select(lines, kept), starts[kept], lasts[kept]


def _find_cuts(
    functions: FunctionSpans, space: _KeySpace, starts: Offsets, lasts: Offsets
) -> Offsets:
    """Return the keys, ascending, at which the answer of a real function can change."""
    numbers = np.flatnonzero(functions.are_real) + functions.first
    firsts = np.zeros(len(functions.starts), np.uint64)
    ends = np.zeros(len(functions.starts), np.uint64)
    real = numbers - functions.first
    firsts[real] = space.keys(numbers, functions.starts[real])
    ends[real] = space.keys(numbers, functions.lasts[real])
    owners = space.owners(starts) - functions.first
    after = lasts + np.uint64(1)
    inner_starts = starts[(starts > firsts[owners]) & (starts <= ends[owners])]
    inner_ends = after[(after > firsts[owners]) & (after <= ends[owners])]
    # These are a few sorted runs, which the stable sort merges; `np.unique` would hash them.
    cuts = np.sort(np.concatenate([firsts[real], inner_starts, inner_ends]), kind="stable")
    distinct: Offsets = cuts[np.diff(cuts, prepend=~cuts[:1]) != 0]
    return distinct
