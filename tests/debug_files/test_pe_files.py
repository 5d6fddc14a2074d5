"""The PDBs that PE files name, damaged ones too. `test_conversion` has one that a linker wrote."""

import random
import struct

import pytest

from symbolon_server.debug_files.pe_files import find_pdb
from symbolon_server.symbols.ground.module_ids import ModuleId

GUID = bytes.fromhex("9dd94932400c31498610f4e4fb0b6936")
CRASH = ModuleId("crash.pdb", "3249D99D0C4049318610F4E4FB0B69361")


def make(
    *, is_64: bool = True, name: bytes = b"C:\\work\\crash.pdb", directories: int = 16
) -> bytes:
    """Return a PE file of one section, which holds the directory of debug information."""
    record = b"RSDS" + GUID + struct.pack("<I", 1) + name + b"\0"
    content_at, address = 0x400, 0x2000
    entries = struct.pack("<12xIIII", 13, 8, 0, content_at)
    entries += struct.pack("<12xIIII", 2, len(record), 0, content_at + 0x80)
    optional = struct.pack("<H54xI", 0x20B if is_64 else 0x10B, 0x779000)
    optional = optional.ljust(108 if is_64 else 92, b"\0") + struct.pack("<I", directories)
    spans = [(0, 0)] * 6 + [(address + 0x10, len(entries))]
    optional += b"".join(struct.pack("<II", *span) for span in spans)
    section = struct.pack("<8sIIII16x", b".rdata", 0x200, address, 0x200, content_at)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0x5AB38077, 0, 0, len(optional), 0)
    data = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)
    data = data.ljust(0x80, b"\0") + b"PE\0\0" + coff + optional + section
    return (data.ljust(content_at + 0x10, b"\0") + entries).ljust(content_at + 0x80, b"\0") + record


def read(data: bytes) -> ModuleId | None:
    return find_pdb(memoryview(data))


@pytest.mark.parametrize("is_64", [True, False])
def test_a_file_names_its_pdb(*, is_64: bool) -> None:
    assert read(make(is_64=is_64)) == CRASH


@pytest.mark.parametrize("name", [b"crash.pdb", b"/build/crash.pdb", b"C:/build\\crash.pdb"])
def test_only_the_name_of_the_pdb_counts(name: bytes) -> None:
    assert read(make(name=name)) == CRASH


@pytest.mark.parametrize("name", [b"", b"C:\\", b"..", b"a\n.pdb", b"a" * 5000])
def test_a_pdb_without_a_valid_name_is_not_named(name: bytes) -> None:
    assert read(make(name=name)) is None


def test_a_file_may_have_no_directory_of_debug_information() -> None:
    assert read(make(directories=6)) is None


@pytest.mark.parametrize("data", [b"", b"MZ", b"MSCF" * 100, b"MZ" + b"\xff" * 500])
def test_other_files_name_none(data: bytes) -> None:
    assert read(data) is None


def test_truncated_and_changed_files_raise_no_error() -> None:
    whole = make()
    randomness = random.Random(1)
    for length in range(0, len(whole), 3):
        assert read(whole[:length]) is None or length > 0x480
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(3):
            data[randomness.randrange(len(data))] = randomness.choice((0, 1, 0x80, 0xFF))
        read(bytes(data))
