"""Line and INLINE records as columns, each row with the function that it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Offsets = NDArray[np.uint64]
Indexes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LineColumns:
    """Line records in file order; all columns have shape (records,)."""

    owner: Indexes
    """Number of the FUNC record that it belongs to, ascending."""

    start: Offsets
    size: Offsets
    line: NDArray[np.uint32]
    file: NDArray[np.int32]
    """FILE number, or the negative alias of a number beyond 31 bits."""


@dataclass(frozen=True, slots=True)
class InlineColumns:
    """INLINE records in file order; all columns have shape (records,)."""

    owner: Indexes
    """Number of the FUNC record that it belongs to, ascending."""

    level: Indexes
    call_line: NDArray[np.uint32]
    call_file: NDArray[np.int32]
    """FILE number or alias, or `records.NO_FILE` or `LINE_FILE`."""

    origin: NDArray[np.int32]
    """INLINE_ORIGIN number or alias."""

    number: Indexes
    """The record's number, ascending; `RangeColumns.record` refers to it."""


@dataclass(frozen=True, slots=True)
class RangeColumns:
    """The ranges of INLINE records, in file order; all columns have shape (ranges,)."""

    owner: Indexes
    record: Indexes
    start: Offsets
    size: Offsets


_Owned = TypeVar("_Owned", LineColumns, InlineColumns, RangeColumns)
_Columns = TypeVar("_Columns", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class FunctionParts:
    """All records of functions in one part of a symbol file."""

    lines: LineColumns
    inlines: InlineColumns
    ranges: RangeColumns

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Join consecutive parts of a file."""
        return cls(
            join([part.lines for part in parts]),
            join([part.inlines for part in parts]),
            join([part.ranges for part in parts]),
        )

    def split(self, owner: int) -> tuple[Self, Self]:
        """Return the records of functions before `owner`, and the others."""
        lines = _split(self.lines, owner)
        inlines = _split(self.inlines, owner)
        ranges = _split(self.ranges, owner)
        make = type(self)
        return make(lines[0], inlines[0], ranges[0]), make(lines[1], inlines[1], ranges[1])


def select(columns: _Columns, rows: slice | Indexes | NDArray[np.bool_]) -> _Columns:
    """Return a dataclass of arrays with only the given rows of each."""
    return type(columns)(*(getattr(columns, field.name)[rows] for field in fields(columns)))


def join(parts: Sequence[_Columns]) -> _Columns:
    """Concatenate dataclasses of arrays."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def find_changes(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return where a row is the first or differs from the previous one; shape (rows,)."""
    differs = np.ones(len(columns[0]), np.bool_)
    differs[1:] = False
    for column in columns:
        differs[1:] |= column[1:] != column[:-1]
    return differs


def _split(columns: _Owned, owner: int) -> tuple[_Owned, _Owned]:
    place = int(np.searchsorted(columns.owner, owner))
    return select(columns, slice(0, place)), select(columns, slice(place, None))
