"""How large the pages of a module are."""

from random import Random

import pytest

from symbolon_server.symbols.paging.sizes import (
    MAX_PAGE_WEIGHT,
    MIN_PAGE_WEIGHT,
    TIMES_NAMES,
    choose_page_weight,
    names_only_bytes,
)
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.symbols.read_texts import INGEST, read_records

_ENTRY_BYTES, _KEY_BYTES = 45, 135


def table(functions: int, name_bytes: int) -> SymbolTable:
    """Return a table of functions of 40 lines each, with names of this length."""
    random = Random(functions)
    records = ["FILE 0 a.c"]
    for number in range(functions):
        start = 0x1000 * number
        records.append(f"FUNC {start:x} 280 0 {number:0{name_bytes}}")
        records += (
            f"{start + 0x10 * row:x} 10 {random.randrange(1, 60_000)} 0" for row in range(40)
        )
    return read_records(*(record.encode() for record in records))


def test_each_name_of_a_symbol_with_ranges_is_counted_once() -> None:
    records = (b"FUNC 10 10 0 four", b"PUBLIC 10 0 behind the function", b"PUBLIC 20 0 public")
    assert names_only_bytes(read_records(*records)) == len(b"fourpublic") + 2 * _ENTRY_BYTES
    assert names_only_bytes(read_records()) == 0


@pytest.mark.parametrize(
    ("names_bytes", "expected"),
    [(0, MAX_PAGE_WEIGHT), (10_000, MAX_PAGE_WEIGHT), (10_000_000, MIN_PAGE_WEIGHT)],
)
def test_pages_are_as_small_as_their_names_allow(names_bytes: int, expected: int) -> None:
    assert choose_page_weight(10, 40_000, names_bytes) == expected


def test_more_names_allow_smaller_pages() -> None:
    weights = [choose_page_weight(10, 40_000, names) for names in range(20_000, 60_000, 250)]
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) > 10


def test_the_pages_of_a_module_with_long_names_are_small() -> None:
    short, long = (write_pages(table(1_200, size), "1-0", INGEST).directory for size in (8, 300))
    assert 2 * short.page_count < long.page_count


def test_pages_take_little_more_memory_than_names_alone() -> None:
    given = table(1_200, 32)
    directory = write_pages(given, "1-0", INGEST).directory
    stored = directory.stored_bytes + _KEY_BYTES * directory.stored_count
    assert stored < 1.1 * TIMES_NAMES * names_only_bytes(given)
    smallest = write_pages(given, "1-0", INGEST, MIN_PAGE_WEIGHT).directory
    largest = write_pages(given, "1-0", INGEST, MAX_PAGE_WEIGHT).directory
    assert largest.page_count < directory.page_count < smallest.page_count
