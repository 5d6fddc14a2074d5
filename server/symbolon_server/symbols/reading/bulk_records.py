"""Line and INLINE records, read as whole columns.

Columns are read as if every record were canonical: numbers without a prefix, single spaces, nothing
after the last field. The few other records go one by one through the strict parser, and are put
back in their place or counted as bad.
"""

from collections import Counter

import numpy as np

from symbolon_server.symbols.reading.columns import (
    FunctionParts,
    Indexes,
    InlineColumns,
    LineColumns,
    RangeColumns,
    join,
    select,
)
from symbolon_server.symbols.reading.named_records import NO_FUNCTION, Aliases
from symbolon_server.symbols.reading.records import (
    LINE_FILE,
    InlineRecord,
    LineRecord,
    RecordKind,
    parse_inline,
    parse_line,
)
from symbolon_server.symbols.reading.tokens import Flags, Numbers, TextBlock

_LINE_TOKENS = 4
_HEX_LETTERS = frozenset(b"0123456789abcdefABCDEF")


class BulkRecords:
    """Reads the line and INLINE records of one file, block after block."""

    def __init__(self, aliases: Aliases, skipped: Counter[RecordKind]) -> None:
        """Use the file's `aliases`, and count its bad records in `skipped`."""
        self._aliases = aliases
        self._skipped = skipped
        self._lines_before = 0

    def read(
        self, block: TextBlock, owners: Indexes, lines: Indexes, inlines: Indexes
    ) -> FunctionParts:
        """Return the columns of a block.

        `lines` and `inlines` are the positions, among the block's lines, of the line and INLINE
        records; `owners`, shape (lines of the block,), has the function open at each line.
        """
        self.skip_lines(block, lines[owners[lines] == NO_FUNCTION])
        lines = lines[owners[lines] != NO_FUNCTION]
        has_owner = owners[inlines] != NO_FUNCTION
        self._skipped[RecordKind.INLINE] += int(np.count_nonzero(~has_owner))
        inlines = inlines[has_owner]
        inline_columns, ranges = self._read_inlines(block, inlines, owners)
        self._lines_before += len(owners)
        return FunctionParts(self._read_lines(block, lines, owners), inline_columns, ranges)

    def skip_lines(self, block: TextBlock, lines: Indexes) -> None:
        """Count line records, and unknown records, that belong to no function."""
        _, are_hex = block.read_hex(block.line_tokens[lines])
        self._skipped[RecordKind.LINE] += int(np.count_nonzero(are_hex))
        for line in lines[~are_hex].tolist():
            self._skip_line(block.line_text(line))

    def _read_lines(self, block: TextBlock, lines: Indexes, owners: Indexes) -> LineColumns:
        canonical, columns = _read_canonical_lines(block, lines, owners)
        odd = np.setdiff1d(lines, canonical, assume_unique=True)
        if len(odd):
            parsed = [(line, self._parse_line(block.line_text(line))) for line in odd.tolist()]
            good = [(line, record) for line, record in parsed if record is not None]
            places = np.array([line for line, _ in good], np.int64)
            columns = join([columns, self._line_columns(good, owners[places])])
            columns = select(columns, np.argsort(np.concatenate([canonical, places])))
        return select(columns, _is_range(columns.start, columns.size))

    def _parse_line(self, text: bytes) -> LineRecord | None:
        record = parse_line(text)
        if record is None:
            self._skip_line(text)
        return record

    def _skip_line(self, text: bytes) -> None:
        """Count a bad line record, or an unknown record."""
        is_unknown = not _HEX_LETTERS.issuperset(text.split(b" ", 1)[0])
        self._skipped[RecordKind.UNKNOWN if is_unknown else RecordKind.LINE] += 1

    def _line_columns(self, records: list[tuple[int, LineRecord]], owners: Indexes) -> LineColumns:
        rows = [record for _, record in records]
        return LineColumns(
            owners,
            np.array([row.start for row in rows], np.uint64),
            np.array([row.size for row in rows], np.uint64),
            np.array([row.line for row in rows], np.uint32),
            np.array([self._aliases.fit(row.file) for row in rows], np.int32),
        )

    def _read_inlines(
        self, block: TextBlock, inlines: Indexes, owners: Indexes
    ) -> tuple[InlineColumns, RangeColumns]:
        canonical, columns, ranges = _read_canonical_inlines(
            block, inlines, owners, self._lines_before
        )
        odd = np.setdiff1d(inlines, canonical, assume_unique=True)
        if len(odd):
            parsed = [(line, self._parse_inline(block.line_text(line))) for line in odd.tolist()]
            good = [(line, record) for line, record in parsed if record is not None]
            odd_columns, odd_ranges = self._inline_columns(good, owners)
            columns = join([columns, odd_columns])
            columns = select(columns, np.argsort(columns.number))
            ranges = join([ranges, odd_ranges])
            ranges = select(ranges, np.argsort(ranges.record, kind="stable"))
        return columns, select(ranges, _is_range(ranges.start, ranges.size))

    def _parse_inline(self, text: bytes) -> InlineRecord | None:
        record = parse_inline(text)
        self._skipped[RecordKind.INLINE] += record is None
        return record

    def _inline_columns(
        self, records: list[tuple[int, InlineRecord]], owners: Indexes
    ) -> tuple[InlineColumns, RangeColumns]:
        places = np.array([line for line, _ in records], np.int64)
        numbers = self._lines_before + places
        rows = [record for _, record in records]
        columns = InlineColumns(
            owners[places],
            np.array([row.level for row in rows], np.int64),
            np.array([row.call_line for row in rows], np.uint32),
            np.array([self._aliases.fit(row.call_file) for row in rows], np.int32),
            np.array([self._aliases.fit(row.origin) for row in rows], np.int32),
            numbers,
        )
        repeats = [len(row.ranges) for row in rows]
        flat = [pair for row in rows for pair in row.ranges]
        return columns, RangeColumns(
            np.repeat(columns.owner, repeats),
            np.repeat(numbers, repeats),
            np.array([start for start, _ in flat], np.uint64),
            np.array([size for _, size in flat], np.uint64),
        )


def _read_canonical_lines(
    block: TextBlock, lines: Indexes, owners: Indexes
) -> tuple[Indexes, LineColumns]:
    """Return which of `lines` are canonical, and their columns."""
    lines = lines[block.token_counts(lines) == _LINE_TOKENS]
    first = block.line_tokens[lines]
    starts, are_starts = block.read_hex(first)
    sizes, are_sizes = block.read_hex(first + 1)
    numbers, are_lines = block.read_decimal(first + 2)
    files, are_files = block.read_decimal(first + 3)
    columns = LineColumns(
        owners[lines], starts, sizes, numbers.astype(np.uint32), files.astype(np.int32)
    )
    is_good = are_starts & are_sizes & are_lines & are_files
    if is_good.all():
        return lines, columns
    return lines[is_good], select(columns, is_good)


def _read_canonical_inlines(
    block: TextBlock, inlines: Indexes, owners: Indexes, lines_before: int
) -> tuple[Indexes, InlineColumns, RangeColumns]:
    """Return which of `inlines` are canonical, their columns and their ranges."""
    inlines = inlines[block.token_counts(inlines) > 5]  # noqa: PLR2004 - word, 3 fields, a range
    first = block.line_tokens[inlines]
    fields = block.token_counts(inlines) - 1
    # The older generation lacks the file of the call site, so its number of fields is odd.
    has_call_file = (fields % 2 == 0).astype(np.int64)
    level, are_levels = block.read_decimal(first + 1)
    call_line, are_lines = block.read_decimal(first + 2)
    call_file, are_files = block.read_decimal(first + 3)
    origin, are_origins = block.read_decimal(first + 3 + has_call_file)
    rows, starts, sizes, are_ranges = _read_ranges(
        block, first + 4 + has_call_file, (fields - 3 - has_call_file) // 2
    )
    is_good = are_levels & are_lines & (are_files | (has_call_file == 0)) & are_origins
    is_good[rows[~are_ranges]] = False
    columns = InlineColumns(
        owners[inlines],
        level.astype(np.int64),
        call_line.astype(np.uint32),
        np.where(has_call_file, call_file.astype(np.int32), np.int32(LINE_FILE)),
        origin.astype(np.int32),
        lines_before + inlines,
    )
    ranges = RangeColumns(columns.owner[rows], columns.number[rows], starts, sizes)
    if is_good.all():
        return inlines, columns, ranges
    return inlines[is_good], select(columns, is_good), select(ranges, is_good[rows])


def _read_ranges(
    block: TextBlock, first: Indexes, counts: Indexes
) -> tuple[Indexes, Numbers, Numbers, Flags]:
    """Return each range's row, start, size and whether it is valid; shape (sum of counts,)."""
    rows = np.repeat(np.arange(len(counts)), counts)
    places_before = np.cumsum(counts) - counts
    tokens = first[rows] + 2 * (np.arange(len(rows)) - places_before[rows])
    starts, are_starts = block.read_hex(tokens)
    sizes, are_sizes = block.read_hex(tokens + 1)
    return rows, starts, sizes, are_starts & are_sizes


def _is_range(starts: Numbers, sizes: Numbers) -> Flags:
    """Return where a range is not empty and does not reach beyond 64 bits."""
    is_range: Flags = (sizes != 0) & (sizes - np.uint64(1) <= np.uint64(2**64 - 1) - starts)
    return is_range
