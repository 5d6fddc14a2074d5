"""SymCaches that are truncated, changed or senseless: refused, or read without another answer."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.reader import read_symcache
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.inline_chains import MAX_DEPTH
from tests.symbols.native.symcaches import (
    FACTS,
    NONE,
    File,
    Function,
    Location,
    SymCache,
    borders,
    symcaches,
)
from tests.symbols.read_texts import INGEST

SMALL = SymCache(
    [File("a.c"), File("b.h", "d", "/e")],
    [Function("f", 0x1000), Function("g")],
    [Location(0, 7, 0)],
    [
        (0x1000, Location(0, 5, 0)),
        (0x1004, Location(1, 2, 1, 0)),
        (0x1008, None),
    ],
)
DATA = SMALL.write()
ANSWERS = [SMALL.find(offset) for offset in borders(SMALL)]

FUNCTIONS_AT = 80 + 2 * 24
LOCATIONS_AT = FUNCTIONS_AT + 2 * 16
STARTS_AT = LOCATIONS_AT + 4 * 16


def read(data: bytes) -> list[object]:
    """Return all answers of a cache and, so that nothing is left unread, write its pages."""
    table = read_symcache(data, FACTS)
    write_pages(table, "1-0", INGEST)
    return [table.find(offset) for offset in borders(SMALL)]


def changed(at: int, number: int) -> bytes:
    return DATA[:at] + struct.pack("<I", number) + DATA[at + 4 :]


def test_the_undamaged_cache_is_read() -> None:
    assert read(DATA) == ANSWERS


def test_a_truncated_cache_is_refused() -> None:
    for length in range(len(DATA)):
        with pytest.raises(MalformedSymbolFileError):
            read(DATA[:length])


def test_a_cache_with_more_after_its_end_is_refused() -> None:
    with pytest.raises(MalformedSymbolFileError, match="size"):
        read(DATA + b"\0")


@pytest.mark.parametrize(
    ("at", "number", "problem"),
    [
        (0, 0x53594D43, "mark"),  # written on a machine of the other byte order
        (4, 7, "version is 7"),
        (4, 10, "version is 10"),
        (44, 1, "size"),
        (44, NONE, "truncated"),
        (48, 1, "size"),
        (52, 3, "size"),
        (52, 2, "more ranges"),
        (56, NONE, "truncated"),
        (60, NONE, "size"),
        (FUNCTIONS_AT, 1000, "string"),
        (LOCATIONS_AT, 2, "nowhere"),
        (LOCATIONS_AT, NONE - 1, "nowhere"),
        (LOCATIONS_AT + 8, 2, "nowhere"),
        (LOCATIONS_AT + 8, NONE, "nowhere"),
        (LOCATIONS_AT + 12, 0, "later"),
        (LOCATIONS_AT + 12, 1, "later"),
        (LOCATIONS_AT + 16, 2, "nowhere"),
        (LOCATIONS_AT + 24, NONE, "no function"),
        (LOCATIONS_AT + 24, 2**31, "nowhere"),
        (LOCATIONS_AT + 44, 1, "nowhere"),
        (STARTS_AT, 0x1004, "order"),
        (STARTS_AT + 4, 0x1000, "order"),
    ],
)
def test_a_number_that_leads_nowhere_is_refused(at: int, number: int, problem: str) -> None:
    data = changed(at, number)
    if at == 52 and number == 2:  # the other counts fit so that only the ranges do not
        data = changed(52, 2)[:56] + struct.pack("<I", 3) + DATA[60:]
        data = data[: LOCATIONS_AT + 32] + DATA[STARTS_AT:]
    with pytest.raises(MalformedSymbolFileError, match=problem):
        read(data)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(DATA) // 4 - 1), st.integers(0, NONE) | st.sampled_from([0, 1, 2, NONE]))
def test_a_changed_number_raises_no_other_error(place: int, number: int) -> None:
    data = changed(4 * place, number)
    try:
        read(data)
    except MalformedSymbolFileError:
        return


@settings(deadline=None, max_examples=100)
@given(symcaches(), st.data())
def test_changed_bytes_raise_no_other_error(cache: SymCache, data: st.DataObject) -> None:
    changed_bytes = bytearray(cache.write())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed_bytes) - 1))
        changed_bytes[place] = data.draw(st.integers(0, 255))
    try:
        read(bytes(changed_bytes))
    except MalformedSymbolFileError:
        return


@given(st.binary(max_size=200))
def test_other_bytes_are_no_cache(data: bytes) -> None:
    with pytest.raises(MalformedSymbolFileError):
        read(data)


def nested(depth: int) -> SymCache:
    """Return a cache with one range of this many inline frames."""
    calls = [Location(0, 1, None, number - 1 if number else None) for number in range(depth)]
    inner = Location(0, 2, None, depth - 1)
    return SymCache(functions=[Function("f", 0)], calls=calls, ranges=[(0, inner), (1, None)])


def test_inline_frames_may_be_nested_as_deep_as_those_of_symbol_files() -> None:
    answer = read_symcache(nested(MAX_DEPTH).write(), FACTS).find(0)
    assert answer is not None
    assert len(answer.inlines) == MAX_DEPTH


def test_inline_frames_nested_deeper_are_refused() -> None:
    with pytest.raises(MalformedSymbolFileError, match="over 500 inline frames"):
        read_symcache(nested(MAX_DEPTH + 1).write(), FACTS)


def test_strings_that_overlap_are_refused() -> None:
    functions = [Function("x" * 100, 0), Function("y" * 100, 1)]
    ranges = [(0, Location(0)), (1, Location(1))]
    data = SymCache(functions=functions, ranges=ranges).write()
    # The second name starts within the first, where an x is the length of the rest.
    with pytest.raises(MalformedSymbolFileError, match="overlap"):
        read(data[: 80 + 16] + struct.pack("<I", 30) + data[80 + 20 :])


def test_a_string_that_is_not_utf_8_is_refused() -> None:
    data = SymCache(functions=[Function("ö", 0)], ranges=[(0, Location(0))]).write()
    with pytest.raises(MalformedSymbolFileError, match="UTF-8"):
        read(data[:-1] + b"a")


def test_many_files_in_one_long_directory_are_refused() -> None:
    files = [File(str(number), "d" * 50_000) for number in range(200)]
    ranges = [(number, Location(0, 1, number)) for number in range(200)]
    cache = SymCache(files, [Function("f", 0)], [], ranges)
    with pytest.raises(MalformedSymbolFileError, match="too long"):
        read_symcache(cache.write(), FACTS)
    shorter = [replace(file, directory="d" * 5_000) for file in files]
    assert read_symcache(replace(cache, files=shorter).write(), FACTS).facts.ranges == 201
