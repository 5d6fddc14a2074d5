"""The header of a unit in `.debug_line`, DWARF 2 to 5: its machine, directories and files.

| version | directory 0 | first file | entries |
|---|---|---|---|
| 2 to 4 | that of the compilation, not in the table | 1 | a string, for files with three numbers |
| 5 | that of the compilation | 0 | in forms that the header lists |
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from symbolon_server.symbols.native.dwarf_cursor import (
    ByteOrder,
    Cursor,
    DamagedDwarfError,
    string_at,
)
from symbolon_server.symbols.native.line_programs import Machine
from symbolon_server.symbols.native.paths import join_path

VERSIONS: Final = range(2, 6)
FIRST_WITH_FORMS: Final = 5
_FIRST_WITH_BUNDLES: Final = 4

_PATH, _DIRECTORY = 1, 2
_STRING, _STRP, _LINE_STRP, _UDATA, _BLOCK = 0x08, 0x0E, 0x1F, 0x0F, 0x09
MAX_STRINGS_RATIO: Final = 16
"""All strings of a unit together, for each of its bytes: its entries may all name a long one."""

FREE_STRING_BYTES: Final = 1 << 20
"""All strings of a unit together, in addition."""

_SIZES: Final = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16}
"""Bytes of the forms data1, data2, data4, data8 and data16, which has checksums."""


LINES: Final = b".debug_line"
LINE_STRINGS: Final = b".debug_line_str"
STRINGS: Final = b".debug_str"


class DwarfSections(NamedTuple):
    """The sections of a file with debug information."""

    read: Callable[[bytes], memoryview]
    """Returns a section by its name, unpacked; empty if the file lacks it."""

    order: ByteOrder
    address_bytes: int


class FileEntry(NamedTuple):
    """A file of a unit."""

    name: bytes
    directory: int


@dataclass(frozen=True, slots=True)
class LineUnit:
    """What the header of one unit says."""

    version: int
    machine: Machine
    directories: list[bytes]
    files: list[FileEntry]
    content: bytes
    """The bytes of the unit, from its start on."""

    program: int
    """Where in them the program is."""

    @property
    def has_directory(self) -> bool:
        """Return whether it says in which directory it was compiled."""
        return self.version >= FIRST_WITH_FORMS

    def path_of(self, file: int, compilation_directory: bytes) -> bytes:
        """Return the path of a file by its number in rows; empty if there is no such file."""
        number = file if self.has_directory else file - 1
        if not 0 <= number < len(self.files):
            return b""
        name, directory = self.files[number]
        return join_path(self._directory(directory, compilation_directory), name)

    def _directory(self, number: int, compilation_directory: bytes) -> bytes:
        if self.has_directory:
            base = self.directories[0] if self.directories else compilation_directory
        else:
            base, number = compilation_directory, number - 1
        if not 0 <= number < len(self.directories):
            return base
        return join_path(base, self.directories[number])


def read_unit(sections: DwarfSections, start: int) -> LineUnit:
    """Return the unit at `start` of `.debug_line`; raise `DamagedDwarfError` if it is damaged."""
    data = sections.read(LINES)
    cursor = Cursor(data, start, len(data), sections.order)
    length, offset_bytes = cursor.length()
    cursor.end = min(cursor.end, cursor.place + length)
    version = cursor.number(2)
    if version not in VERSIONS:
        raise DamagedDwarfError(f"its version is {version}")
    if version >= FIRST_WITH_FORMS:
        cursor.take(2)  # sizes of addresses and of segment selectors
    header_bytes = cursor.number(offset_bytes)
    program_at = cursor.place + header_bytes
    machine = _read_machine(cursor, version, sections.order)
    if version >= FIRST_WITH_FORMS:
        entries = _Entries(sections, cursor, offset_bytes)
        directories = [entry.name for entry in entries.read()]
        files = entries.read()
    else:
        directories = _read_strings(cursor)
        files = _read_files(cursor)
    content = bytes(data[start : cursor.end])
    return LineUnit(version, machine, directories, files, content, program_at - start)


def unit_starts(data: memoryview, order: ByteOrder) -> list[int]:
    """Return where the units of `.debug_line` start, as far as their lengths lead."""
    starts = []
    cursor = Cursor(data, 0, len(data), order)
    try:
        while cursor.place < cursor.end:
            start = cursor.place
            length, _ = cursor.length()
            cursor.take(length)
            starts.append(start)
    except DamagedDwarfError:
        pass
    return starts


def _read_machine(cursor: Cursor, version: int, order: ByteOrder) -> Machine:
    least_instruction = cursor.number(1)
    if version >= _FIRST_WITH_BUNDLES and cursor.number(1) > 1:
        raise DamagedDwarfError("it is for a processor with bundles of instructions")
    cursor.take(1)  # whether rows are statements unless said otherwise
    line_base = int.from_bytes(cursor.take(1), signed=True)
    line_range, opcode_base = cursor.number(1), cursor.number(1)
    if not (line_range and opcode_base):
        raise DamagedDwarfError("its operations are impossible")
    counts = bytes(cursor.take(opcode_base - 1))
    return Machine(order, least_instruction, line_base, line_range, opcode_base, counts)


def _read_strings(cursor: Cursor) -> list[bytes]:
    strings = []
    while text := cursor.string():
        strings.append(text)
    return strings


def _read_files(cursor: Cursor) -> list[FileEntry]:
    files = []
    while name := cursor.string():
        files.append(FileEntry(name, cursor.leb128()))
        cursor.leb128()  # when it was changed
        cursor.leb128()  # its size
    return files


class _Entries:
    """Reads the tables of DWARF 5."""

    def __init__(self, sections: DwarfSections, cursor: Cursor, offset_bytes: int) -> None:
        self._sections, self._cursor, self._offset_bytes = sections, cursor, offset_bytes
        unit_bytes = cursor.end - cursor.place
        self._left = FREE_STRING_BYTES + MAX_STRINGS_RATIO * unit_bytes

    def read(self) -> list[FileEntry]:
        """Return the next table."""
        cursor = self._cursor
        forms = [(cursor.leb128(), cursor.leb128()) for _ in range(cursor.number(1))]
        count = cursor.leb128()
        if count > cursor.end - cursor.place or (count and not forms):
            raise DamagedDwarfError("it has more files than bytes")
        return [self._entry(forms) for _ in range(count)]

    def _entry(self, forms: list[tuple[int, int]]) -> FileEntry:
        name, directory = b"", 0
        for content, form in forms:
            value = self._value(form)
            if content == _PATH and isinstance(value, bytes):
                name = value
                self._left -= len(name)
            elif content == _DIRECTORY and isinstance(value, int):
                directory = value
        if self._left < 0:
            raise DamagedDwarfError("its strings are too long")
        return FileEntry(name, directory)

    def _value(self, form: int) -> bytes | int:
        cursor = self._cursor
        if size := _SIZES.get(form):
            return cursor.number(size)
        if form == _LINE_STRP:
            return string_at(self._sections.read(LINE_STRINGS), cursor.number(self._offset_bytes))
        if form == _STRP:
            return string_at(self._sections.read(STRINGS), cursor.number(self._offset_bytes))
        if form == _STRING:
            return cursor.string()
        if form == _UDATA:
            return cursor.leb128()
        if form == _BLOCK:
            return len(cursor.take(cursor.leb128()))
        raise DamagedDwarfError(f"a form {form:#x} is not known")
