"""Finds the lines of functions that only the symbol table of a file has.

`symbolic` reads lines by function, and a compiler that was asked for line tables only describes no
function but those into which others were inlined (clang's and rustc's `line-tables-only`). The line
tables have the other functions' lines nevertheless.

A file has up to millions of sequences. Only those are read that start nearest before a function
without lines, or in it. They are found by the operations that set an address, wherever these bytes
are in the section; the few that mean something else cost reading a sequence in vain.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.dwarf_cursor import DamagedDwarfError
from symbolon_server.symbols.native.line_headers import (
    LINES,
    DwarfSections,
    LineUnit,
    read_unit,
    unit_starts,
)
from symbolon_server.symbols.native.line_programs import (
    END,
    LineRows,
    run_sequence,
    sequence_start,
)
from symbolon_server.symbols.reading.columns import find_changes, join, select

MAX_PATHS_RATIO: Final = 16
"""All paths together, for each byte of `.debug_line`."""

FREE_PATH_BYTES: Final = 1 << 20
"""All paths together, in addition."""

_SET_ADDRESS_BYTES = 3
_REMOVED: Final = 0
"""The address that linkers give to the sequences of functions that they removed."""

_NO_LIMIT: Final = np.uint64(0xFFFFFFFFFFFFFFFF)

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive spans of code, each up to the start of the next; columns have shape (spans,)."""

    start: NDArray[np.uint64]
    """Module offsets, strictly ascending."""

    file: NDArray[np.int32]
    """Row of a path, or `END` where no line is known up to the next span."""

    line: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class FoundLines:
    """Lines, and the paths of their files."""

    lines: Lines
    paths: list[bytes]


class LineTables:
    """The line tables of one file, which `find` reads as far as they are needed."""

    def __init__(
        self, sections: DwarfSections, base: int, directory_of: Callable[[int], bytes]
    ) -> None:
        """Read nothing yet.

        Module offsets count from the address `base`. `directory_of` returns in which directory the
        unit at a place of `.debug_line` was compiled.
        """
        self._sections, self._directory_of = sections, directory_of
        self._base = np.uint64(base)
        self._left = 0

    def find(self, start: NDArray[np.uint64], end: NDArray[np.uint64]) -> FoundLines:
        """Return the lines of the code between each start and end, and of some code around.

        Both are module offsets of shape (functions,), in ascending order. Damaged units
        are left out. Raises `MalformedSymbolFileError` if paths are longer than any compiler's.
        """
        self._left = FREE_PATH_BYTES + MAX_PATHS_RATIO * len(self._sections.read(LINES))
        paths: dict[bytes, int] = {}
        parts = []
        for unit, places in self._choose(start + self._base, end + self._base):
            part = self._read(unit, places, paths)
            if part is not None:
                parts.append(part)
        lines = _in_order(parts)
        lines = select(lines, lines.start >= self._base)
        return FoundLines(replace(lines, start=lines.start - self._base), list(paths))

    def _choose(
        self, start: NDArray[np.uint64], end: NDArray[np.uint64]
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield the start of each unit that may have these functions, and places in it.

        In the sequences around these places, an address is set that is the nearest one before a
        function, or in it.
        """
        units = np.array(unit_starts(self._sections.read(LINES), self._sections.order), np.int64)
        place, address = self._set_addresses()
        order = np.argsort(address, kind="stable")
        order = order[address[order] != _REMOVED]
        place, address = place[order], address[order]
        # The last address up to the start, and all that are the same; then those up to the end.
        nearest = np.searchsorted(address, start, side="right") - 1
        first = np.searchsorted(address, address[nearest]) if len(address) else nearest
        first = np.where(nearest < 0, 0, first)
        last = np.searchsorted(address, end)
        change = np.zeros(len(address) + 1, np.int64)
        np.add.at(change, first, 1)
        np.add.at(change, np.maximum(last, first), -1)
        chosen = np.sort(place[np.cumsum(change[:-1]) > 0])
        rows = np.searchsorted(units, chosen, side="right") - 1
        chosen, rows = chosen[rows >= 0], rows[rows >= 0]
        firsts = np.flatnonzero(find_changes(rows))
        for first_row, end_row in pairwise([*firsts.tolist(), len(rows)]):
            unit = int(units[rows[first_row]])
            yield unit, (chosen[first_row:end_row] - unit).tolist()

    def _set_addresses(self) -> tuple[Places, NDArray[np.uint64]]:
        """Return the places where bytes look like the operation, and the addresses it would set."""
        section, size = self._sections.read(LINES), self._sections.address_bytes
        mark = re.compile(re.escape(bytes([0, size + 1, 2])), re.DOTALL)
        last = len(section) - _SET_ADDRESS_BYTES - size
        found = [hit.start() for hit in mark.finditer(section) if hit.start() <= last]
        place = np.array(found, np.int64)
        at = place[:, None] + np.arange(_SET_ADDRESS_BYTES, _SET_ADDRESS_BYTES + size)
        data = np.frombuffer(section, np.uint8)[at] if len(place) else np.empty((0, size), np.uint8)
        order = "<" if self._sections.order == "little" else ">"
        return place, np.ascontiguousarray(data).view(f"{order}u{size}")[:, 0].astype(np.uint64)

    def _read(self, start: int, places: list[int], paths: dict[bytes, int]) -> Lines | None:
        """Return the sequences around these places of a unit; add the paths of its files."""
        try:
            unit = read_unit(self._sections, start)
            rows = _run_sequences(unit, places)
            return self._with_paths(_columns_of(rows), unit, start, paths) if rows.file else None
        except DamagedDwarfError:
            return None

    def _with_paths(
        self, lines: Lines, unit: LineUnit, start: int, paths: dict[bytes, int]
    ) -> Lines:
        numbers, places = np.unique(lines.file, return_inverse=True)
        folder = b"" if unit.has_directory else self._directory_of(start)
        rows = []
        for number in numbers.tolist():
            if number == END:
                rows.append(END)
                continue
            path = unit.path_of(number, folder)
            self._left -= len(path)
            if self._left < 0:
                raise MalformedSymbolFileError("the paths of its line tables are too long")
            rows.append(paths.setdefault(path, len(paths)))
        return Lines(lines.start, np.array(rows, np.int32)[places], lines.line)


def _run_sequences(unit: LineUnit, places: list[int]) -> LineRows:
    rows = LineRows()
    done = unit.program
    for place in places:
        if place >= done:
            start = sequence_start(unit.content, done, place)
            done = max(place, run_sequence(unit.content, start, unit.machine, rows))
    return rows


def _columns_of(rows: LineRows) -> Lines:
    """Return rows without those that say the same as the one before."""
    address = np.frombuffer(rows.address, np.uint64)
    file, line = np.frombuffer(rows.file, np.int32), np.frombuffer(rows.line, np.uint32)
    return select(Lines(address, file, line), find_changes(file, line))


def _in_order(parts: list[Lines]) -> Lines:
    """Return the rows of sequences as strictly ascending spans.

    Where two sequences overlap, one was removed or folded by the linker: the one that starts later
    counts, and of several with the same start the first.
    """
    if not parts:
        return Lines(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.uint32))
    lines = join(parts)
    ends = np.flatnonzero(lines.file == END) + 1
    starts = np.append(0, ends[:-1])
    first = lines.start[starts]
    order = np.argsort(first, kind="stable")
    order = order[find_changes(first[order])]
    limit = np.append(first[order][1:], _NO_LIMIT)
    counts = ends[order] - starts[order]
    row = np.repeat(starts[order] - np.append(0, np.cumsum(counts)[:-1]), counts)
    row += np.arange(len(row))
    address, low, high = lines.start[row], np.repeat(first[order], counts), np.repeat(limit, counts)
    # A sequence that goes back is damaged; its rows count from where it is ahead again.
    ahead = np.maximum.accumulate(np.where(address < high, address, low))
    lines = select(lines, row[(address < high) & (address >= ahead)])
    return select(lines, np.append(lines.start[1:] != lines.start[:-1], True))
