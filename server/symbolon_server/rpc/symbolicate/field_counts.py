"""Counts the fields of an encoded message before any object is built from it.

An empty field takes two bytes on the wire, and two hundred as an object. So the fields of a
request are counted first, and counting stops at the limit.

Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_FRAMES_TAG: Final = 0x0A
_FRAMES_TAG_LONG: Final = 0x8A
"""First byte of the tag of a stack's frames, in its usual form and in a longer valid form."""

_MODULES_TAG: Final = 0x0A
_STACKS_TAG: Final = 0x12
_MORE: Final = 0x80
_WIRE_TYPE: Final = 7
_VARINT: Final = 0
_LENGTH: Final = 2
_FIXED_BYTES: Final = {1: 8, 5: 4}
_NUMBER_BITS: Final = 64
_WINDOW_BYTES: Final = 1 << 18

MOST_OTHERS: Final = 1_000
"""Fields that are neither modules nor stacks: newer clients may send a few."""

LEAST_FIELD_BYTES: Final = 2
"""A tag and a length, or a tag and a number."""

_RUN: Final = 256
_LONGEST_IN_RUN: Final = 17
"""Bytes of the longest frame that clients write."""


def _run_of(tag: int) -> re.Pattern[bytes]:
    """Return a pattern for `_RUN` short fields: a few times as fast as one field at a time."""
    contents = b"|".join(rb"\x%02x.{%d}" % (size, size) for size in range(_LONGEST_IN_RUN + 1))
    return re.compile(rb"(?>\x%02x(?:%b)){%d}" % (tag, contents, _RUN), re.DOTALL)


_FRAMES_RUN: Final = _run_of(_FRAMES_TAG)
_STACKS_RUN: Final = _run_of(_STACKS_TAG)


@dataclass(slots=True)
class RequestCounts:
    """The entries of an encoded `SymbolicateRequest`, counted until a limit is exceeded."""

    modules: int = 0
    stacks: int = 0
    frames: int = 0
    others: int = 0


def count_fields(data: bytes, most: int, start: int = 0, end: int | None = None) -> int:
    """Return the number of fields from `start` to `end`, or a number above `most`.

    Fields with number 1 are counted fastest. Counting ends at the first invalid field.
    """
    end = len(data) if end is None else end
    count, position = 0, start
    try:
        while position < end and count <= most:
            run = _FRAMES_RUN.match(data, position, end) if end - position > _RUN else None
            if run is not None:
                count, position = count + _RUN, run.end()
                continue
            for _ in range(_RUN):
                position = _find_field(data, position)[2]
                count += 1
                if position >= end or count > most:
                    break
    except (IndexError, ValueError):
        pass
    return count


def has_more_fields(data: bytes, most: int) -> bool:
    """Return whether an encoded message has more than `most` fields."""
    return len(data) > LEAST_FIELD_BYTES * most and count_fields(data, most) > most


def count_request(data: bytes, modules: int, frames: int) -> RequestCounts:
    """Count the entries of an encoded `SymbolicateRequest`, until one limit is exceeded."""
    counts = RequestCounts()
    try:
        _count_top(data, counts, modules, frames)
        is_over = counts.modules > modules or counts.stacks > frames or counts.others > MOST_OTHERS
        if not is_over and not _has_few_frames(data, frames):
            _count_frames(data, counts, frames)
    except (IndexError, ValueError):
        pass  # decoding it will fail
    return counts


def _count_top(data: bytes, counts: RequestCounts, modules: int, stacks: int) -> None:
    """Count the fields of the request itself."""
    position, end = 0, len(data)
    while position < end:
        run = _STACKS_RUN.match(data, position) if data[position] == _STACKS_TAG else None
        if run is not None:
            counts.stacks, position = counts.stacks + _RUN, run.end()
        else:
            position = _count_some(data, counts, position)
        if counts.stacks > stacks or counts.modules > modules or counts.others > MOST_OTHERS:
            return


def _count_some(data: bytes, counts: RequestCounts, position: int) -> int:
    """Count up to `_RUN` fields one at a time; return where the last one ends."""
    for _ in range(_RUN):
        if position >= len(data):
            break
        tag, _, position = _find_field(data, position)
        counts.stacks += tag == _STACKS_TAG
        counts.modules += tag == _MODULES_TAG
        counts.others += tag not in (_STACKS_TAG, _MODULES_TAG)
    return position


def _count_frames(data: bytes, counts: RequestCounts, frames: int) -> None:
    """Count the frames of all stacks."""
    for start, end in _find_stacks(data):
        counts.frames += count_fields(data, frames - counts.frames, start, end)
        if counts.frames > frames:
            return


def _find_stacks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the content of each stack starts and ends."""
    position, end = 0, len(data)
    while position < end:
        tag, start, position = _find_field(data, position)
        if tag == _STACKS_TAG and position > start:
            yield start, min(position, end)


def _has_few_frames(data: bytes, most: int) -> bool:
    """Return whether there are at most `most` frames, judging by their first byte only."""
    tags = bytes([_FRAMES_TAG]), bytes([_FRAMES_TAG_LONG])
    found = 0
    for start in range(0, len(data), _WINDOW_BYTES):
        found += sum(data.count(tag, start, start + _WINDOW_BYTES) for tag in tags)
        if found > most:
            return False
    return True


def _find_field(data: bytes, position: int) -> tuple[int, int, int]:
    """Return a field's tag, where its content starts, and where it ends.

    Raises `ValueError` or `IndexError` if there is no valid field.
    """
    tag = data[position]
    length = data[position + 1]
    if tag < _MORE and length < _MORE and tag & _WIRE_TYPE == _LENGTH:
        return tag, position + 2, position + 2 + length
    tag, position = _read_number(data, position)
    kind = tag & _WIRE_TYPE
    if kind == _LENGTH:
        length, position = _read_number(data, position)
        return tag, position, position + length
    if kind == _VARINT:
        return tag, position, _read_number(data, position)[1]
    return tag, position, position + _FIXED_BYTES.get(kind, 0)


def _read_number(data: bytes, position: int) -> tuple[int, int]:
    """Return a varint and where it ends."""
    number = shift = 0
    while data[position] >= _MORE:
        number |= (data[position] - _MORE) << shift
        shift += 7
        position += 1
        if shift >= _NUMBER_BITS:
            raise ValueError("the varint is too long")
    return number | data[position] << shift, position + 1
