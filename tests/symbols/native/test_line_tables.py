"""Line tables say for each offset what a slow model says, and damaged ones say nothing wrong."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native import line_tables
from symbolon_server.symbols.native.dwarf_cursor import ByteOrder
from symbolon_server.symbols.native.line_headers import LINES, DwarfSections
from symbolon_server.symbols.native.line_programs import END
from symbolon_server.symbols.native.line_tables import LineTables
from tests.symbols.native.line_sections import FOLDER, Row, Span, write_unit

BASE = 0x400000
FILES = [b"/orchard/src/a.c", b"/orchard/b.c"]
UNITS = 3
Place = tuple[bytes, int] | None


@st.composite
def units(draw: st.DrawFn) -> list[list[Span]]:
    """Return the sequences of each unit, which interleave, with gaps between them."""
    made: list[list[Span]] = [[] for _ in range(UNITS)]
    address = BASE + draw(st.integers(1, 40))
    for _ in range(draw(st.integers(1, 8))):
        rows = []
        for _ in range(draw(st.integers(1, 6))):
            line = draw(st.integers(0, 40) | st.integers(0, 1 << 31))
            rows.append(Row(address, draw(st.integers(0, 1)), line))
            address += draw(st.integers(0, 20) | st.integers(0, 500))
        made[draw(st.integers(0, UNITS - 1))].append(Span(rows, address + 1))
        address += 1 + draw(st.integers(0, 20))
    return made


def tables_of(section: bytes, order: str = "<", address_bytes: int = 8) -> LineTables:
    contents = {LINES: memoryview(section)}
    word: ByteOrder = "little" if order == "<" else "big"
    sections = DwarfSections(lambda name: contents.get(name, memoryview(b"")), word, address_bytes)
    return LineTables(sections, BASE, lambda _: FOLDER)


def look_up(tables: LineTables, offsets: Sequence[int]) -> list[Place]:
    """Return what the tables say about each offset, each asked for together with all others."""
    start = np.array(offsets, np.uint64)
    found = tables.find(start, start + np.uint64(1))
    lines = found.lines
    assert (lines.start[1:] > lines.start[:-1]).all()
    rows = np.searchsorted(lines.start, start, side="right") - 1
    return [
        None
        if row < 0 or lines.file[row] == END
        else (found.paths[lines.file[row]], int(lines.line[row]))
        for row in rows.tolist()
    ]


def model(made: list[list[Span]], offset: int) -> Place:
    """Return what the last row at or before the offset says, if its sequence goes so far."""
    for rows, end in [sequence for unit in made for sequence in unit]:
        if rows[0].address <= offset + BASE < end:
            row = [row for row in rows if row.address <= offset + BASE][-1]
            return FILES[row.file], row.line
    return None


@pytest.mark.parametrize(("order", "address_bytes"), [("<", 8), (">", 8), ("<", 4), (">", 4)])
@settings(max_examples=25)
@given(made=units(), versions=st.lists(st.integers(2, 5), min_size=UNITS, max_size=UNITS))
def test_each_offset_has_the_line_of_the_last_row_before_it(
    order: str, address_bytes: int, made: list[list[Span]], versions: list[int]
) -> None:
    pairs = zip(versions, made, strict=True)
    section = b"".join(write_unit(version, each, order, address_bytes) for version, each in pairs)
    last = max(end for unit in made for _, end in unit) - BASE
    offsets = sorted({*range(0, last + 2, max(1, last // 50)), last - 1, last})
    said = look_up(tables_of(section, order, address_bytes), offsets)
    assert said == [model(made, offset) for offset in offsets]


@settings(max_examples=25)
@given(made=units(), offset=st.integers(0, 500), version=st.integers(2, 5))
def test_a_single_offset_is_found_by_the_one_sequence_that_is_run(
    made: list[list[Span]], offset: int, version: int
) -> None:
    section = b"".join(write_unit(version, unit) for unit in made)
    assert look_up(tables_of(section), [offset]) == [model(made, offset)]


TWO = [
    Span([Row(BASE + 16, 0, 7)], BASE + 32),
    Span([Row(BASE + 64, 1, 9)], BASE + 80),
]


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_no_byte_can_be_changed_so_that_reading_fails(version: int) -> None:
    whole = write_unit(version, TWO)
    for place in range(len(whole)):
        for byte in (0, 0x80, 0xFF):
            damaged = whole[:place] + bytes([byte]) + whole[place + 1 :]
            look_up(tables_of(damaged), [16, 64])


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_a_section_that_is_cut_says_nothing_wrong(version: int) -> None:
    whole = write_unit(version, TWO) + write_unit(version, TWO)
    right = {None, (FILES[0], 7)}
    for end in range(len(whole)):
        assert set(look_up(tables_of(whole[:end]), [16])) <= right


def test_removed_functions_do_not_hide_others() -> None:
    """Linkers give them the address 0, from which on they may reach into code that is there."""
    removed = Span([Row(0, 1, 3)], 0xFFFF)
    tables = tables_of(write_unit(4, [removed, *TWO]))
    assert look_up(tables, [16, 40, 64]) == [(FILES[0], 7), None, (FILES[1], 9)]


def test_of_functions_that_were_folded_the_first_counts() -> None:
    folded = [Span([Row(BASE + 16, 0, line)], BASE + 32) for line in (5, 6)]
    assert look_up(tables_of(write_unit(4, folded)), [16]) == [(FILES[0], 5)]


def test_paths_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_tables, "FREE_PATH_BYTES", -(1 << 20))
    with pytest.raises(MalformedSymbolFileError, match="too long"):
        look_up(tables_of(write_unit(4, TWO)), [16])


def test_nothing_is_read_before_a_line_is_looked_for() -> None:
    asked = []

    def read(name: bytes) -> memoryview:
        asked.append(name)
        return memoryview(write_unit(4, TWO))

    tables = LineTables(DwarfSections(read, "little", 8), BASE, lambda _: FOLDER)
    assert not asked
    assert look_up(tables, [16]) == [(FILES[0], 7)]
    assert set(asked) == {LINES}
