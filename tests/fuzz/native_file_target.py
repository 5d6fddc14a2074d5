"""Bytes as what the library makes of a native file, and as such a file before it is converted."""

import importlib
import struct
import zlib
from functools import cache

from symbolon_server.debug_files.elf_checks import check_elf
from symbolon_server.debug_files.kinds import BEGINNING_BYTES, FileKind, kind_of
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.reader import read_symcache
from tests.debug_files.elf_files import CODE, SYMBOLS, Elf, Section
from tests.debug_files.mills import ARM64, MILLS
from tests.fuzz.tables import check_table
from tests.fuzz.target import Target
from tests.symbols.native.symcaches import FACTS

_WEIGHTS = (10, 100, 6144)
_IS_FILE = 0x80
_IS_DEMANGLED = 1
_MOST_UNPACKED = 1 << 20


def take(data: bytes) -> None:
    """Read `data`, whose first byte says as what: a SymCache, or a native file."""
    how, content = (data[0], data[1:]) if data else (0, b"")
    try:
        if how & _IS_FILE:
            _check_file(content)
        else:
            _read_symcache(how, content)
    except MalformedSymbolFileError:
        return


def _check_file(content: bytes) -> None:
    """Find the kind of a file, and what an ELF file lacks."""
    if kind_of(content[:BEGINNING_BYTES]) is FileKind.ELF:
        notes = check_elf(memoryview(content), _MOST_UNPACKED)
        assert len(set(notes)) == len(notes)


def _read_symcache(how: int, content: bytes) -> None:
    """Read a SymCache, and compare the pages with the table."""
    table = read_symcache(content, FACTS, are_demangled=bool(how & _IS_DEMANGLED))
    check_table(table, _WEIGHTS[(how >> 1) % len(_WEIGHTS)])


@cache
def _symcaches() -> list[bytes]:
    """Return the caches of the committed native files."""
    symbolic = importlib.import_module("symbolic")
    return [
        part.make_symcache().open_stream().read()
        for path in sorted({mill.path for mill in MILLS})
        for part in symbolic.Archive.open(str(path)).iter_objects()
    ]


def _elf_files() -> list[bytes]:
    """Return ELF files of both classes and byte orders, and one that a linker wrote."""
    return [_elf(is_64, order) for is_64 in (True, False) for order in "<>"] + [
        ARM64.path.read_bytes()
    ]


def _elf(is_64: bool, order: str) -> bytes:
    """Return an ELF file with all that is looked at: packed skeletons of split DWARF, symbols."""
    elf = Elf(is_64=is_64, order=order, segments=[(5, 0x1000, 0x2000)])
    abbreviations = b"\1\x11\0\xb0\x42\x0e\0\0\0"
    unit = struct.pack(f"{order}IHIBB", 8, 4, 0, 8, 1)
    return elf.having(
        Section(".text", b"\xc3" * 64, flags=CODE),
        Section(".symtab", elf.symbol(0x1000, 1) * 3, type=SYMBOLS),
        Section(".debug_addr", bytes(16)),
        Section(".debug_abbrev", abbreviations),
        elf.compressed(".debug_info", 1, 2 * len(unit), zlib.compress(2 * unit)),
        Section(".gnu_debugaltlink", b"common\0" + bytes(20)),
    ).write()


def _seeds() -> list[bytes]:
    caches = [bytes([how]) + cache for how, cache in enumerate(_symcaches())]
    beginnings = [mill.path.read_bytes()[:BEGINNING_BYTES] for mill in MILLS]
    return caches + [bytes([_IS_FILE]) + file for file in [*_elf_files(), *beginnings]]


TARGET = Target(take, _seeds, longest=32_768)
