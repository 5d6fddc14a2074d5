"""The strict parsers of single records: they define each record's grammar.

The grammar follows `SymbolParseHelper` of the Breakpad processor. Records come here only if they
are not canonical; otherwise `bulk_records` and `bulk_names` read them as columns.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

MAX_OFFSET: Final = 2**64 - 2
"""The largest address and size; Breakpad's reader rejects 2^64 - 1 as too large."""

MAX_LINE: Final = 2**32 - 1
"""The largest line number that fits an answer."""

MAX_DECIMAL: Final = 2**63 - 2
"""The largest of other numbers."""

NO_FILE: Final = -1
"""An unknown file; INLINE records use the same number."""

LINE_FILE: Final = -2
"""The file of the line record at the same offset."""

_HEX = rb"(?:0[xX])?([0-9A-Fa-f]+)"
_DECIMAL = rb"0*([0-9]{1,19})"
_FILE = re.compile(rb"FILE +%b (.+)" % _DECIMAL, re.DOTALL)
_FUNC = re.compile(rb"FUNC +(?:(m) +)?%b +%b +%b (.+)" % (_HEX, _HEX, _HEX), re.DOTALL)
_PUBLIC = re.compile(rb"PUBLIC +(?:(m) +)?%b +%b (.+)" % (_HEX, _HEX), re.DOTALL)
_LINE = re.compile(rb" *%b +%b +%b +%b(?: .*)?" % (_HEX, _HEX, _DECIMAL, _DECIMAL), re.DOTALL)
_ORIGIN = re.compile(rb"INLINE_ORIGIN +%b (.+)" % _DECIMAL, re.DOTALL)
_OLD_ORIGIN = re.compile(rb"-?[0-9]*(?: .*)?", re.DOTALL)
_OLD_ORIGIN_NAME = re.compile(rb" *(?:-1|%b) (.+)" % _DECIMAL, re.DOTALL)
_HEX_NUMBER = re.compile(_HEX)
_DECIMAL_NUMBER = re.compile(_DECIMAL)


class RecordKind(StrEnum):
    """Kinds of records, named after their first word; `LINE` and `UNKNOWN` have none."""

    MODULE = "MODULE"
    INFO = "INFO"
    FILE = "FILE"
    FUNC = "FUNC"
    LINE = "line"
    INLINE = "INLINE"
    INLINE_ORIGIN = "INLINE_ORIGIN"
    PUBLIC = "PUBLIC"
    STACK = "STACK"
    UNKNOWN = "unknown"


class NamedNumber(NamedTuple):
    """A FILE or INLINE_ORIGIN record."""

    number: int
    name: bytes


class FunctionRecord(NamedTuple):
    """A FUNC record."""

    start: int
    size: int
    is_multiple: bool
    name: bytes


class PublicRecord(NamedTuple):
    """A PUBLIC record."""

    start: int
    is_multiple: bool
    name: bytes


class LineRecord(NamedTuple):
    """A line record: `size` bytes of code from `start` on come from `line` of `file`."""

    start: int
    size: int
    line: int
    file: int


class InlineRecord(NamedTuple):
    """An INLINE record of either generation."""

    level: int
    call_line: int
    call_file: int
    """`LINE_FILE` in the older generation, `NO_FILE` if the record says -1."""

    origin: int
    ranges: tuple[tuple[int, int], ...]
    """Start and size of each range."""


def parse_file(record: bytes) -> NamedNumber | None:
    """Parse a FILE record; return None if it is bad."""
    return _parse_named_number(_FILE.fullmatch(record))


def parse_inline_origin(record: bytes) -> NamedNumber | None:
    """Parse an INLINE_ORIGIN record of either generation; return None if it is bad."""
    origin = _parse_named_number(_ORIGIN.fullmatch(record))
    if origin is None or not _OLD_ORIGIN.fullmatch(origin.name):
        return origin
    old = _OLD_ORIGIN_NAME.fullmatch(origin.name)
    if old is None or int(old[1] or 0) > MAX_DECIMAL:
        return None
    return NamedNumber(origin.number, old[2])


def _parse_named_number(match: re.Match[bytes] | None) -> NamedNumber | None:
    if match is None or int(match[1]) > MAX_DECIMAL:
        return None
    return NamedNumber(int(match[1]), match[2])


def parse_function(record: bytes) -> FunctionRecord | None:
    """Parse a FUNC record; return None if it is bad."""
    match = _FUNC.fullmatch(record)
    if match is None:
        return None
    multiple, start, size, parameter_size, name = match.groups()
    numbers = int(start, 16), int(size, 16)
    if max(numbers) > MAX_OFFSET or int(parameter_size, 16) > MAX_DECIMAL:
        return None
    return FunctionRecord(*numbers, multiple is not None, name)


def parse_public(record: bytes) -> PublicRecord | None:
    """Parse a PUBLIC record; return None if it is bad."""
    match = _PUBLIC.fullmatch(record)
    if match is None:
        return None
    multiple, start, parameter_size, name = match.groups()
    if int(start, 16) > MAX_OFFSET or int(parameter_size, 16) > MAX_DECIMAL:
        return None
    return PublicRecord(int(start, 16), multiple is not None, name)


def parse_line(record: bytes) -> LineRecord | None:
    """Parse a line record; return None if it is bad."""
    match = _LINE.fullmatch(record)
    if match is None:
        return None
    start, size = int(match[1], 16), int(match[2], 16)
    line, file = int(match[3]), int(match[4])
    if max(start, size) > MAX_OFFSET or line > MAX_LINE or file > MAX_DECIMAL:
        return None
    return LineRecord(start, size, line, file)


def parse_inline(record: bytes) -> InlineRecord | None:
    """Parse an INLINE record of either generation; return None if it is bad.

    The number of fields shows the generation: the older one has no file of the call site.
    """
    fields = [field for field in record.split(b" ")[1:] if field]
    has_call_file = len(fields) % 2 == 0
    if len(fields) < 5 + has_call_file:
        return None
    level, call_line = _parse_decimal(fields[0]), _parse_decimal(fields[1])
    call_file = _parse_call_file(fields[2]) if has_call_file else LINE_FILE
    origin = _parse_decimal(fields[2 + has_call_file])
    ranges = _parse_ranges(fields[3 + has_call_file :])
    if level is None or call_line is None or call_file is None or origin is None or ranges is None:
        return None
    if call_line > MAX_LINE:
        return None
    return InlineRecord(level, call_line, call_file, origin, ranges)


def _parse_call_file(field: bytes) -> int | None:
    return NO_FILE if field == b"-1" else _parse_decimal(field)


def _parse_ranges(fields: Sequence[bytes]) -> tuple[tuple[int, int], ...] | None:
    numbers = [_parse_hex(field) for field in fields]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return None
    return tuple(zip(known[::2], known[1::2], strict=True))


def _parse_hex(field: bytes) -> int | None:
    match = _HEX_NUMBER.fullmatch(field)
    if match is None or int(match[1], 16) > MAX_OFFSET:
        return None
    return int(match[1], 16)


def _parse_decimal(field: bytes) -> int | None:
    match = _DECIMAL_NUMBER.fullmatch(field)
    if match is None or int(match[1]) > MAX_DECIMAL:
        return None
    return int(match[1])
