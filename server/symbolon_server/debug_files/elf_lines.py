"""The line tables of an ELF file, of which nothing is unpacked before a line is looked for."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from symbolon_server.debug_files.compilation_units import INFO, find_directories
from symbolon_server.debug_files.elf_layout import ElfLayout, by_debug_name
from symbolon_server.debug_files.packed_sections import SectionReader, read_packing
from symbolon_server.symbols.native.dwarf_cursor import ByteOrder
from symbolon_server.symbols.native.line_headers import LINES, DwarfSections
from symbolon_server.symbols.native.line_tables import LineTables

_ORDERS: Final[Mapping[str, ByteOrder]] = {"<": "little", ">": "big"}


def find_line_tables(data: memoryview) -> LineTables | None:
    """Return the line tables of a file that `check_elf` passed, or None if it has none."""
    elf = ElfLayout(data)
    by_name = by_debug_name(elf.sections())
    if LINES not in by_name or INFO not in by_name:
        return None

    @cache
    def read(name: bytes) -> memoryview:
        if name not in by_name:
            return memoryview(b"")
        packed = read_packing(elf, by_name[name])
        if not packed.method:
            return packed.content
        return memoryview(SectionReader(packed).read(packed.size))

    @cache
    def directories() -> Mapping[int, bytes]:
        return find_directories(SectionReader(read_packing(elf, by_name[INFO])), sections)

    sections = DwarfSections(read, _ORDERS[elf.order], elf.address_bytes)
    return LineTables(sections, elf.base(), lambda unit: directories().get(unit, b""))
