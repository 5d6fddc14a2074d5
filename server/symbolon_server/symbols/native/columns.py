"""The columns of a SymCache, with every reference checked."""

import struct
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError

NONE: Final = 0xFFFFFFFF
"""No string, file, call or start of a function; also the language of a symbol table's functions."""

ABSENT: Final = -1
"""What `NONE` is in a column of signed numbers."""

FILE_WIDTHS: Final = {8: 3, 9: 6}
"""Numbers per file in each version that is read."""

MARK: Final = b"SYMC"

HEADER: Final = struct.Struct("<4sI32s6I16x")
"""Mark, version, debug id, architecture; files, functions, locations, ranges, bytes of strings."""

ALIGNMENT: Final = 8

_WIDTH: Final = 4
"""Numbers per function, and per location."""

_NUMBER: Final = np.dtype("<u4")

Numbers = NDArray[np.uint32]
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class FileColumns:
    """Files; columns have shape (files,), each the offset of a string or `NONE`."""

    compilation_directory: Numbers
    directory: Numbers
    name: Numbers


@dataclass(frozen=True, slots=True)
class FunctionColumns:
    """Functions, inlined ones included; columns have shape (functions,)."""

    name: Numbers
    """Offset of a string, or `NONE`."""

    start: Numbers
    """First module offset; `NONE` for an inlined function."""

    language: Numbers
    """`NONE` for a function that only the symbol table has."""


@dataclass(frozen=True, slots=True)
class LocationColumns:
    """Places in the source code; columns have shape (locations,)."""

    file: Rows
    """Row of the file, or `ABSENT`."""

    line: Numbers
    """0 if unknown."""

    function: Rows
    """Row of the function; `ABSENT` in a gap."""

    call: Rows
    """Row of the location that this one is inlined into, always a smaller one, or `ABSENT`."""

    def part(self, rows: slice | NDArray[np.bool_]) -> Self:
        """Return some of the locations."""
        return type(self)(self.file[rows], self.line[rows], self.function[rows], self.call[rows])


@dataclass(frozen=True, slots=True)
class SymCacheColumns:
    """A SymCache whose references all lead somewhere."""

    architecture: int
    files: FileColumns
    functions: FunctionColumns
    calls: LocationColumns
    """The locations of calls; `LocationColumns.call` is a row in them."""

    locations: LocationColumns
    """The location of each range."""

    starts: Numbers
    """Shape (ranges,): first module offset of each range, strictly ascending."""

    strings: NDArray[np.uint8]


def read_columns(data: bytes) -> SymCacheColumns:
    """Return the columns of a SymCache; raise `MalformedSymbolFileError` if it is damaged."""
    architecture, parts = _cut(data)
    files, functions, locations, starts = (
        parts.files,
        parts.functions,
        parts.locations,
        parts.starts,
    )
    columns = LocationColumns(
        locations[:, 0].astype(np.int32),
        locations[:, 1].copy(),
        locations[:, 2].astype(np.int32),
        locations[:, 3].astype(np.int32),
    )
    calls = len(locations) - len(starts)
    _check(calls >= 0, "it has more ranges than locations")
    _check(bool((starts[1:] > starts[:-1]).all()), "its ranges are out of order")
    _check_calls(columns.part(slice(0, calls)), len(files), len(functions))
    _check_ranges(columns.part(slice(calls, None)), len(files), len(functions), calls)
    return SymCacheColumns(
        architecture,
        FileColumns(files[:, 0], files[:, 1], files[:, 2]),
        FunctionColumns(functions[:, 0], functions[:, 2], functions[:, 3]),
        columns.part(slice(0, calls)),
        columns.part(slice(calls, None)),
        starts,
        parts.strings,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    files: Numbers
    functions: Numbers
    locations: Numbers
    starts: Numbers
    strings: NDArray[np.uint8]


def _cut(data: bytes) -> tuple[int, _Parts]:
    """Return the architecture and the parts, without copying."""
    _check(len(data) >= HEADER.size, "it ends within its header")
    mark, version, _, architecture, *counts = HEADER.unpack_from(data)
    _check(mark == MARK, "it has another mark")
    _check(version in FILE_WIDTHS, f"its version is {version}")
    files, functions, locations, ranges, string_bytes = counts
    tables = []
    place = HEADER.size
    for rows, width in (
        (files, FILE_WIDTHS[version]),
        (functions, _WIDTH),
        (locations, _WIDTH),
        (ranges, 1),
    ):
        place += -place % ALIGNMENT
        end = place + rows * width * _NUMBER.itemsize
        _check(end <= len(data), "it is truncated")
        numbers = np.frombuffer(data, _NUMBER, rows * width, min(place, len(data)))
        tables.append(numbers.reshape(rows, width))
        place = end
    place += -place % ALIGNMENT
    _check(place + string_bytes == len(data), "its size is not that of its parts")
    strings = np.frombuffer(data, np.uint8, string_bytes, place)
    of_files, of_functions, of_locations, of_ranges = tables
    return architecture, _Parts(of_files, of_functions, of_locations, of_ranges[:, 0], strings)


def _check_calls(calls: LocationColumns, files: int, functions: int) -> None:
    """Refuse a call without a function, or one that is inlined into itself or a later one."""
    _check_rows(calls.file, files, ABSENT)
    _check_rows(calls.function, functions, 0)
    _check(bool((calls.call >= ABSENT).all()), "a call leads nowhere")
    _check(
        bool((calls.call < np.arange(len(calls.call))).all()), "a call is inlined into a later one"
    )


def _check_ranges(locations: LocationColumns, files: int, functions: int, calls: int) -> None:
    _check_rows(locations.file, files, ABSENT)
    _check_rows(locations.call, calls, ABSENT)
    _check_rows(locations.function, functions, ABSENT)
    gap = locations.function == ABSENT
    is_empty = (locations.file == ABSENT) & (locations.line == NONE) & (locations.call == ABSENT)
    _check(bool(is_empty[gap].all()), "a location has no function")


def _check_rows(rows: Rows, count: int, lowest: int) -> None:
    """Refuse a row that does not exist; one of 2^31 or more is negative here."""
    _check(bool(((rows >= lowest) & (rows < count)).all()), "a location leads nowhere")


def _check(is_right: bool, problem: str) -> None:
    if not is_right:
        raise MalformedSymbolFileError(f"its SymCache is damaged: {problem}")
