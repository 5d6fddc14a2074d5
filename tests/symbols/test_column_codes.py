"""Every step that makes a column small is undone by its inverse."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from symbolon_server.symbols.column_codes import (
    Groups,
    Integers,
    below_next,
    from_below_next,
    read_columns,
    unzigzag,
    write_columns,
    zigzag,
)

KEYS = st.one_of(st.integers(-1, 4), st.sampled_from([2**16 - 2, 2**16 - 1, 2**16, 2**40]))


def integers(low: int, high: int) -> st.SearchStrategy[NDArray[np.int64]]:
    return st.lists(st.integers(low, high), max_size=50).map(lambda v: np.array(v, np.int64))


def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return np.array_equal(one, other)


@settings(deadline=None)
@given(integers(-(2**63), 2**63 - 1))
def test_zigzag(values: NDArray[np.int64]) -> None:
    assert same(unzigzag(zigzag(values)), values)


@settings(deadline=None)
@given(integers(-(2**31), 2**31 - 1))
def test_zigzag_of_numbers_that_were_read_as_32_bits(values: NDArray[np.int64]) -> None:
    assert same(unzigzag(zigzag(values).astype(np.uint32)), values)


def test_zigzag_gives_small_numbers_for_small_distances() -> None:
    assert zigzag(np.array([0, -1, 1, -2, 2])).tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None)
@given(integers(0, 100))
def test_below_next(numbers: Integers) -> None:
    assert same(from_below_next(below_next(numbers)), numbers)


def test_numbers_in_the_order_of_first_use_are_zero_below_the_next() -> None:
    assert below_next(np.array([0, 1, 2, 2, 1, 3])).tolist() == [0, 0, 0, 1, 2, 0]


@settings(deadline=None)
@given(integers(0, 100))
def test_below_next_of_numbers_that_were_read_as_32_bits(numbers: Integers) -> None:
    assert same(from_below_next(below_next(numbers).astype(np.int32)), numbers)


@settings(deadline=None)
@given(st.data())
def test_differences_within_groups(data: st.DataObject) -> None:
    values = data.draw(integers(-(2**60), 2**60))
    size = len(values)
    keys = np.array(data.draw(st.lists(KEYS, min_size=size, max_size=size)), np.int64)
    groups = Groups.of(keys)
    differences = groups.differences(values)
    latest: dict[int, int] = {}
    for key, value, difference in zip(
        keys.tolist(), values.tolist(), differences.tolist(), strict=True
    ):
        assert difference == value - latest.get(key, 0)
        latest[key] = value
    assert same(groups.sums(differences), values)


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
    data = write_columns(columns)
    lengths = [len(column) for column in columns]
    read, place = read_columns(memoryview(data + b"\xff\xff"), lengths)
    assert [column.tolist() for column in read] == [column.tolist() for column in columns]
    assert place == len(data)


@settings(deadline=None)
@given(columns_of_numbers, st.integers(1, 20))
def test_columns_that_are_cut_are_refused(columns: list[NDArray[np.int64]], missing: int) -> None:
    data = write_columns(columns)
    with pytest.raises(ValueError):  # noqa: PT011 - the text is numpy's, and one of several
        read_columns(memoryview(data[:-missing]), [len(column) for column in columns])


def test_a_plane_of_which_one_byte_is_left_is_cut() -> None:
    data = write_columns([np.array([300, 300, 300])])
    with pytest.raises(ValueError):  # noqa: PT011 - the text is numpy's, and one of several
        read_columns(memoryview(data[:-2]), [3])


@pytest.mark.parametrize("width", [0, 9, 255])
def test_columns_of_an_impossible_width_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="without their widths"):
        read_columns(memoryview(bytes([1, width]) + b"\0" * 1000), [1, 1])


@pytest.mark.parametrize("function", [below_next, from_below_next, zigzag])
def test_an_empty_column_stays_empty(
    function: Callable[[NDArray[np.int64]], NDArray[np.generic]],
) -> None:
    assert len(function(np.empty(0, np.int64))) == 0
