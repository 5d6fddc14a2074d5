"""FUNC, PUBLIC, FILE and INLINE_ORIGIN records, many at a time.

The numbers of canonical records are read as columns, and each name is one slice of the text. The
few other records go one by one through the strict parsers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from symbolon_server.symbols.reading.records import (
    MAX_DECIMAL,
    FunctionRecord,
    NamedNumber,
    PublicRecord,
    parse_file,
    parse_function,
    parse_inline_origin,
    parse_public,
)
from symbolon_server.symbols.reading.tokens import Flags, Numbers, Positions, TextBlock

_BEFORE_OLD_ORIGIN: Final = np.frombuffer(b"0123456789- ", np.uint8)
"""How the name of an origin may begin that is in truth an origin of the older generation."""

_Record = TypeVar("_Record")


def parse_functions(block: TextBlock, lines: Positions) -> list[FunctionRecord | None]:
    """Return the FUNC record on each of `lines`, or None if it is bad."""
    found = _read_after_addresses(block, lines, 3)
    start, size, _ = (column.tolist() for column in found.numbers)
    records = map(FunctionRecord, start, size, found.are_multiple.tolist(), found.names(block))
    return _complete(block, lines, found, records, parse_function)


def parse_publics(block: TextBlock, lines: Positions) -> list[PublicRecord | None]:
    """Return the PUBLIC record on each of `lines`, or None if it is bad."""
    found = _read_after_addresses(block, lines, 2)
    start, _ = (column.tolist() for column in found.numbers)
    records = map(PublicRecord, start, found.are_multiple.tolist(), found.names(block))
    return _complete(block, lines, found, records, parse_public)


def parse_files(block: TextBlock, lines: Positions) -> list[NamedNumber | None]:
    """Return the FILE record on each of `lines`, or None if it is bad."""
    found = _read_after_number(block, lines)
    records = map(NamedNumber, found.numbers[0].tolist(), found.names(block))
    return _complete(block, lines, found, records, parse_file)


def parse_inline_origins(block: TextBlock, lines: Positions) -> list[NamedNumber | None]:
    """Return the INLINE_ORIGIN record on each of `lines`, or None if it is bad."""
    found = _read_after_number(block, lines)
    is_new = ~np.isin(block.first_letters(found.starts), _BEFORE_OLD_ORIGIN)
    found = found.select(is_new)
    records = map(NamedNumber, found.numbers[0].tolist(), found.names(block))
    return _complete(block, lines, found, records, parse_inline_origin)


@dataclass(frozen=True, slots=True)
class _Canonical:
    """The canonical ones among some records; all columns have shape (canonical records,)."""

    places: Positions
    """Their places among these records, ascending."""

    numbers: list[Numbers]
    """The columns of their numbers."""

    are_multiple: Flags
    starts: Positions
    ends: Positions
    """Where their names start and end in the text."""

    def select(self, rows: Flags) -> "_Canonical":
        """Return only these rows."""
        return _Canonical(
            self.places[rows],
            [column[rows] for column in self.numbers],
            self.are_multiple[rows],
            self.starts[rows],
            self.ends[rows],
        )

    def names(self, block: TextBlock) -> Iterator[bytes]:
        """Return their names."""
        text = block.text
        bounds = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return (text[start:end] for start, end in bounds)


def _read_after_addresses(block: TextBlock, lines: Positions, count: int) -> _Canonical:
    """Read records that have `count` hex numbers, maybe after an `m`, before their name."""
    places = np.flatnonzero(block.token_counts(lines) > count + 1)
    first = block.line_tokens[lines[places]] + 1
    are_multiple = block.are_letter(first, b"m")
    first += are_multiple
    read = [block.read_hex(first + place) for place in range(count)]
    numbers = [column for column, _ in read]
    is_good = np.logical_and.reduce([flags for _, flags in read])
    is_good &= numbers[-1] <= np.uint64(MAX_DECIMAL)  # the parameter size
    starts, ends = block.separators[first + count] + 1, block.ends_of(lines[places])
    # Without a name, this would be the start of the next line.
    is_good &= starts < ends
    return _Canonical(places, numbers, are_multiple, starts, ends).select(is_good)


def _read_after_number(block: TextBlock, lines: Positions) -> _Canonical:
    """Read records that have a decimal number before their name."""
    places = np.flatnonzero(block.token_counts(lines) > 2)  # noqa: PLR2004 - word, number, name
    number = block.line_tokens[lines[places]] + 1
    numbers, is_good = block.read_decimal(number)
    starts, ends = block.separators[number + 1] + 1, block.ends_of(lines[places])
    none = np.zeros(len(places), np.bool_)
    return _Canonical(places, [numbers], none, starts, ends).select(is_good & (starts < ends))


def _complete(
    block: TextBlock,
    lines: Positions,
    canonical: _Canonical,
    records: Iterator[_Record],
    parse: Callable[[bytes], _Record | None],
) -> list[_Record | None]:
    """Return the `canonical` records, and what `parse` finds on the other lines, in order."""
    if len(canonical.places) == len(lines):
        return list(records)
    is_canonical = np.zeros(len(lines), np.bool_)
    is_canonical[canonical.places] = True
    return [
        next(records) if is_read else parse(block.line_text(line))
        for is_read, line in zip(is_canonical.tolist(), lines.tolist(), strict=True)
    ]
