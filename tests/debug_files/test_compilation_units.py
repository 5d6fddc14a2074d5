"""Directories of units, from files that lie."""

from collections.abc import Iterator

import pytest

from symbolon_server.debug_files import compilation_units
from symbolon_server.debug_files.compilation_units import ABBREVIATIONS, find_directories
from symbolon_server.debug_files.packed_sections import Packed, SectionReader
from symbolon_server.symbols.native.line_headers import DwarfSections

UNITS = 50
OTHERS = b"\x02\x11\x00\x00\x00"
"""An abbreviation without attributes, which no unit uses."""

SOUGHT = b"\x01\x11\x00\x10\x17\x1b\x08\x00\x00"
"""The place of the line table, and the directory as a string."""


def units(places: Iterator[int]) -> bytes:
    """Units of DWARF 4 in directories `/0`, `/1`…, each with abbreviations of its own."""
    made = bytearray()
    for number, place in enumerate(places):
        entry = b"\x01" + number.to_bytes(4, "little") + b"/%d\0" % number
        unit = b"\x04\x00" + place.to_bytes(4, "little") + b"\x08" + entry
        made += len(unit).to_bytes(4, "little") + unit
    return bytes(made)


def test_units_that_each_make_long_searches_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    abbreviations = OTHERS * 1_000 + SOUGHT
    contents = {ABBREVIATIONS: memoryview(abbreviations)}
    sections = DwarfSections(lambda name: contents.get(name, memoryview(b"")), "little", 8)
    info = units(iter(range(0, UNITS * len(OTHERS), len(OTHERS))))

    def find() -> dict[int, bytes]:
        return find_directories(SectionReader(Packed(0, len(info), memoryview(info))), sections)

    assert find() == {number: b"/%d" % number for number in range(UNITS)}
    monkeypatch.setattr(compilation_units, "MAX_ABBREVIATION_BYTES", 10 * len(abbreviations))
    assert set(find()) == set(range(10))


def test_units_that_share_an_abbreviation_of_many_attributes_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attributes = 1_000
    flags = b"\x03\x19" * attributes  # they take no bytes of an entry
    abbreviations = SOUGHT[:3] + flags + SOUGHT[3:]
    contents = {ABBREVIATIONS: memoryview(abbreviations)}
    sections = DwarfSections(lambda name: contents.get(name, memoryview(b"")), "little", 8)
    info = units(iter([0] * UNITS))
    monkeypatch.setattr(compilation_units, "MAX_ABBREVIATION_BYTES", 13 * attributes)
    found = find_directories(SectionReader(Packed(0, len(info), memoryview(info))), sections)
    assert set(found) == set(range(10))
