"""Columns in plain bytes say what the standard library says of them."""

import struct
from bisect import bisect_right
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.symbols.paging import octets, reader
from symbolon_server.symbols.paging.layout import COLUMN

EDGES = (0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 1)
numbers = st.integers(0, 2**64 - 1) | st.sampled_from(EDGES)


@given(st.lists(numbers, unique=True).map(sorted), st.lists(numbers))
def test_numbers_are_found_and_read_as_in_a_list(column: list[int], asked: list[int]) -> None:
    data = struct.pack(f"<{len(column)}Q", *column)
    for number in (*column, *asked, *EDGES, -1):
        assert octets.find_right(data, number) == bisect_right(column, number)
    assert [octets.u64(data, row) for row in range(len(column))] == column


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_numbers_of_four_bytes_are_read_as_in_a_list(column: list[int]) -> None:
    data = struct.pack(f"<{len(column)}I", *column)
    assert [octets.u32(data, row) for row in range(len(column))] == column


@pytest.mark.parametrize("read", [octets.u32, octets.u64])
def test_a_row_behind_the_last_is_refused(read: Callable[[bytes, int], int]) -> None:
    with pytest.raises((IndexError, struct.error)):
        read(bytes(16), 4)


@pytest.mark.parametrize("row", [2**62, 2**62 + 1, -(2**62), 2**63 - 1])
def test_a_row_whose_place_takes_more_bits_than_a_native_number_is_refused(row: int) -> None:
    with pytest.raises((IndexError, OverflowError, struct.error)):
        octets.u32(bytes(16), row)


@pytest.mark.parametrize("column", COLUMN._fields)
def test_the_places_of_columns_are_those_of_the_layout(column: str) -> None:
    assert getattr(reader, f"_{column.upper()}") == getattr(COLUMN, column)
