"""Every code of a column is undone by its inverse."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from symbolon_server.symbols.paging.column_codes import (
    Integers,
    PackedColumns,
    below_next,
    first_values,
    mark_new,
    unzigzag,
    write_columns,
    zigzag,
)


def integers(low: int, high: int) -> st.SearchStrategy[NDArray[np.int64]]:
    return st.lists(st.integers(low, high), max_size=50).map(lambda v: np.array(v, np.int64))


def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return np.array_equal(one, other)


def one_page(numbers: Integers) -> Integers:
    return np.zeros(len(numbers), np.int64)


@settings(deadline=None)
@given(integers(-(2**63), 2**63 - 1))
def test_zigzag(values: NDArray[np.int64]) -> None:
    assert same(unzigzag(zigzag(values)), values)


@settings(deadline=None)
@given(integers(-(2**31), 2**31 - 1))
def test_zigzag_of_numbers_read_as_32_bits(values: NDArray[np.int64]) -> None:
    assert same(unzigzag(zigzag(values).astype(np.uint32)), values)


def test_zigzag_gives_small_numbers_for_small_distances() -> None:
    assert zigzag(np.array([0, -1, 1, -2, 2])).tolist() == [0, 1, 2, 3, 4]


BELOW_BY_WIDTH = ((-3, 3), (0, 100), (0, 2_000), (-20_000, 10_000), (0, 70_000), (-(2**20), 2**20))
"""Bounds of numbers whose differences take one, two or three bytes."""


@settings(deadline=None)
@given(st.one_of(*(integers(*bounds) for bounds in BELOW_BY_WIDTH)))
def test_below_next(numbers: Integers) -> None:
    codes = zigzag(below_next(numbers, one_page(numbers)))
    packed = PackedColumns(write_columns([codes]), 0, [len(codes)])
    next_numbers = packed.next_numbers(0).tolist()
    highest = np.maximum.accumulate(np.concatenate([[-1], numbers]))[1:]
    assert next_numbers == (highest + 1).tolist()
    belows = [packed.signed_value(0, row) for row in range(len(numbers))]
    found = [next_number - max(b, 1) for next_number, b in zip(next_numbers, belows, strict=True)]
    assert found == numbers.tolist()


def test_numbers_in_the_order_of_first_use_are_zero_below_the_next() -> None:
    numbers = np.array([0, 1, 2, 2, 1, 3])
    assert below_next(numbers, one_page(numbers)).tolist() == [0, 0, 0, 1, 2, 0]


@settings(deadline=None)
@given(st.one_of(integers(0, 3), integers(0, 600), integers(0, 2**40)))
def test_new_numbers_are_counted(numbers: Integers) -> None:
    first_uses = list(dict.fromkeys(numbers.tolist()))
    uses = np.array([first_uses.index(n) for n in numbers.tolist()], np.int64)
    below = below_next(uses, one_page(uses))
    packed = PackedColumns(write_columns([mark_new(below)]), 0, [len(below)])
    seen: set[int] = set()
    for row, number in enumerate(numbers.tolist()):
        seen.add(number)
        assert packed.new_and_number(0, row) == (len(seen), below[row])


@settings(deadline=None)
@given(integers(1, 2**62))
def test_only_new_numbers_have_a_lowest_byte_of_zero(below: Integers) -> None:
    codes = mark_new(below)
    assert all(codes % 256)
    packed = PackedColumns(write_columns([codes]), 0, [len(codes)])
    found = [packed.new_and_number(0, row) for row in range(len(codes))]
    assert found == [(0, number) for number in below.tolist()]


@settings(deadline=None)
@given(st.data())
def test_the_first_value_of_each_key(data: st.DataObject) -> None:
    values = data.draw(integers(-(2**60), 2**60))
    size = len(values)
    keys = data.draw(st.lists(st.integers(-1, 6), min_size=size, max_size=size))
    expected = dict.fromkeys(range(7), 0)
    for key, value in reversed(list(zip(keys, values.tolist(), strict=True))):
        expected[key] = value
    firsts = first_values(np.array(keys, np.int64), values, 7)
    assert firsts[:-1].tolist() == [expected[key] for key in range(7)]
    assert firsts[-1] == 0


columns_of_numbers = st.lists(
    st.one_of(
        integers(-(2**63), 2**63 - 1),
        integers(-(2**31), 2**31 - 1),
        integers(-200, 200),
        integers(0, 0),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(columns_of_numbers)
def test_columns_as_bytes(columns: list[NDArray[np.int64]]) -> None:
    data = write_columns([zigzag(column) for column in columns])
    lengths = [len(column) for column in columns]
    packed = PackedColumns(b"\xff" + data + b"\xff\xff", 1, lengths)
    for number, column in enumerate(columns):
        rows = range(len(column))
        assert packed.column(number).tolist() == zigzag(column).tolist()
        assert [packed.value(number, row) for row in rows] == zigzag(column).tolist()
        assert [packed.signed_value(number, row) for row in rows] == column.tolist()
    assert packed.end == 1 + len(data)


@settings(deadline=None)
@given(columns_of_numbers, st.integers(1, 20))
def test_truncated_columns_are_refused(columns: list[NDArray[np.int64]], missing: int) -> None:
    data = write_columns([column.view(np.uint64) for column in columns])
    with pytest.raises(ValueError, match="columns"):
        PackedColumns(data[:-missing], 0, [len(column) for column in columns])


def test_a_plane_with_only_one_byte_left_is_truncated() -> None:
    data = write_columns([np.array([300, 300, 300], np.uint64)])
    with pytest.raises(ValueError, match="columns"):
        PackedColumns(data[:-2], 0, [3])


@pytest.mark.parametrize("width", [0, 9, 255])
def test_columns_of_an_impossible_width_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="without their widths"):
        PackedColumns(bytes([1, width]) + b"\0" * 1000, 0, [1, 1])


@pytest.mark.parametrize("function", [lambda c: below_next(c, c), mark_new, zigzag])
def test_an_empty_column_stays_empty(
    function: Callable[[NDArray[np.int64]], NDArray[np.generic]],
) -> None:
    assert len(function(np.empty(0, np.int64))) == 0
