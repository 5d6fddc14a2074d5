"""What the reader corrects or spells in another way than a SymCache has it."""

import pytest

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.native.paths import join_path
from symbolon_server.symbols.native.reader import read_symcache
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.symbols.native.symcaches import (
    ARM,
    FACTS,
    X86_64,
    File,
    Function,
    Location,
    SymCache,
)

THUMB = 0x8B44


def read(cache: SymCache) -> SymbolTable:
    return read_symcache(cache.write(), FACTS)


def place(table: SymbolTable, offset: int) -> tuple[str, int, int] | None:
    answer = table.find(offset)
    return None if answer is None else (answer.function, answer.function_start, answer.line)


def thumb_cut(architecture: int, before: Location | None) -> SymCache:
    """Return a cache in which a symbol with the Thumb bit cuts what is `before` it."""
    return SymCache(
        functions=[Function("f", THUMB), Function("f", THUMB + 1, language=None)],
        ranges=[(THUMB, before), (THUMB + 1, Location(1)), (THUMB + 4, Location(0, 1748))],
        architecture=architecture,
    )


def test_a_thumb_symbol_does_not_cut_the_line_of_its_function() -> None:
    table = read(thumb_cut(ARM, Location(0, 1741)))
    assert [place(table, THUMB + step) for step in range(5)] == [
        *[("f", THUMB, 1741)] * 4,
        ("f", THUMB, 1748),
    ]


def test_a_thumb_symbol_after_a_gap_begins_where_its_code_does() -> None:
    table = read(thumb_cut(ARM, None))
    assert place(table, THUMB - 1) is None
    assert [place(table, THUMB + step) for step in range(4)] == [("f", THUMB, 0)] * 4


def test_a_thumb_symbol_after_another_symbol_begins_where_its_code_does() -> None:
    cache = SymCache(
        functions=[Function("e", 0x101, None), Function("f", 0x201, None)],
        ranges=[(0x101, Location(0)), (0x201, Location(1))],
        architecture=ARM,
    )
    table = read(cache)
    found = [place(table, offset) for offset in (0xFF, 0x100, 0x1FF, 0x200, 0x201)]
    assert found == [None, ("e", 0x100, 0), ("e", 0x100, 0), *[("f", 0x200, 0)] * 2]


def test_odd_addresses_of_other_processors_are_left_alone() -> None:
    table = read(thumb_cut(X86_64, Location(0, 1741)))
    assert place(table, THUMB) == ("f", THUMB, 1741)
    assert place(table, THUMB + 1) == ("f", THUMB + 1, 0)


def test_inline_frames_without_a_name_are_shown_and_counted() -> None:
    cache = SymCache(
        [File("a.c")],
        [Function("f", 0), Function(""), Function(None)],
        [Location(0, 10, 0), Location(1, 20, 0, 0)],
        [(0, Location(1, 1, 0, 0)), (4, Location(2, 2, 0, 1)), (8, Location(0, 3, 0)), (9, None)],
    )
    table = read(cache)
    assert table.find(4) == Answer(
        "f",
        0,
        "a.c",
        10,
        (InlineAnswer("<name omitted>", "a.c", 2), InlineAnswer("<name omitted>", "a.c", 20)),
        is_multiple=False,
    )
    assert table.facts.skipped_records == {"unnamed_inlines": 2}


def test_a_function_without_a_name_is_shown_and_not_counted() -> None:
    table = read(SymCache(functions=[Function(None, 0)], ranges=[(0, Location(0)), (4, None)]))
    assert place(table, 0) == ("<name omitted>", 0, 0)
    assert table.facts.skipped_records == {}


def test_names_are_demangled_unless_it_is_switched_off() -> None:
    cache = SymCache(functions=[Function("_Z1hv", 0)], ranges=[(0, Location(0)), (4, None)])
    assert place(read(cache), 0) == ("h()", 0, 0)
    assert place(read_symcache(cache.write(), FACTS, are_demangled=False), 0) == ("_Z1hv", 0, 0)


def test_bytes_that_end_a_text_of_a_page_become_underscores() -> None:
    cache = SymCache(
        [File("a\nb\0.c")],
        [Function("f\r\n", 0)],
        [],
        [(0, Location(0, 1, 0)), (4, None)],
    )
    answer = read(cache).find(0)
    assert answer is not None
    assert (answer.function, answer.file) == ("f__", "a_b_.c")


def test_a_cache_without_ranges_is_a_table_without_answers() -> None:
    table = read(SymCache())
    assert (table.facts.ranges, table.find(0)) == (0, None)


@pytest.mark.parametrize(
    ("base", "other", "joined"),
    [
        ("", "", ""),
        ("/a", "", "/a"),
        ("", "b.c", "b.c"),
        ("/a", "b.c", "/a/b.c"),
        ("/a/", "b.c", "/a/b.c"),
        ("/a", "/b.c", "/b.c"),
        ("a", "<stdin>", "<stdin>"),
        ("C:\\a", "b.c", "C:\\a\\b.c"),
        ("C:/a/", "b.c", "C:/a\\b.c"),
        ("C:\\a", "\\b.c", "C:\\b.c"),
        ("a", "\\b.c", "\\b.c"),
        ("C:\\a", "D:\\b.c", "D:\\b.c"),
        ("C:\\a", "D:b.c", "C:\\a\\D:b.c"),
        ("\\\\host\\a", "b.c", "\\\\host\\a\\b.c"),
        ("a", "b\\c.c", "a\\b\\c.c"),
    ],
)
def test_paths_are_joined_by_the_rules_of_both_systems(base: str, other: str, joined: str) -> None:
    assert join_path(base.encode(), other.encode()) == joined.encode()
