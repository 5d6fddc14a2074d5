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
    read_column,
    unzigzag,
    write_column,
    zigzag,
)


def integers(low: int, high: int) -> st.SearchStrategy[Integers]:
    return st.lists(st.integers(low, high), max_size=50).map(lambda v: np.array(v, np.int64))


def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return np.array_equal(one, other)


@settings(deadline=None)
@given(integers(-(2**63), 2**63 - 1))
def test_zigzag(values: Integers) -> None:
    assert same(unzigzag(zigzag(values)), values)


def test_zigzag_gives_small_numbers_for_small_distances() -> None:
    assert zigzag(np.array([0, -1, 1, -2, 2])).tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None)
@given(integers(0, 100))
def test_below_next(numbers: Integers) -> None:
    assert same(from_below_next(below_next(numbers)), numbers)


def test_numbers_in_the_order_of_first_use_are_zero_below_the_next() -> None:
    assert below_next(np.array([0, 1, 2, 2, 1, 3])).tolist() == [0, 0, 0, 1, 2, 0]


@settings(deadline=None)
@given(st.data())
def test_differences_within_groups(data: st.DataObject) -> None:
    values = data.draw(integers(-(2**60), 2**60))
    size = len(values)
    keys = np.array(data.draw(st.lists(st.integers(-1, 4), min_size=size, max_size=size)), np.int64)
    groups = Groups.of(keys)
    differences = groups.differences(values)
    latest: dict[int, int] = {}
    for key, value, difference in zip(
        keys.tolist(), values.tolist(), differences.tolist(), strict=True
    ):
        assert difference == value - latest.get(key, 0)
        latest[key] = value
    assert same(groups.sums(differences), values)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=30)
    | st.lists(st.integers(0, 300), max_size=30)
    | st.lists(st.just(0), max_size=30),
    st.binary(max_size=3),
)
def test_columns_as_bytes(numbers: list[int], before: bytes) -> None:
    column = write_column(np.array(numbers, np.uint64))
    data = memoryview(before + column + b"\xff\xff")
    read, place = read_column(data, len(before), len(numbers))
    assert (read.tolist(), place) == (numbers, len(before + column))
    if len(column) > 1:
        with pytest.raises(ValueError, match="reshape"):
            read_column(memoryview(column[:-1]), 0, len(numbers))


@pytest.mark.parametrize("function", [below_next, from_below_next, zigzag])
def test_an_empty_column_stays_empty(
    function: Callable[[Integers], NDArray[np.generic]],
) -> None:
    assert len(function(np.empty(0, np.int64))) == 0
