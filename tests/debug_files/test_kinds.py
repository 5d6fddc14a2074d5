"""What a file is, by its first bytes."""

import pytest

from symbolon_server.debug_files.kinds import FileKind, kind_of

GUID = "0123456789ABCDEF0123456789ABCDEF0"


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (f"MODULE Linux x86_64 {GUID} a.so\n".encode(), FileKind.TEXT),
        (f"\ufeffMODULE Linux x86_64 {GUID} a.so".encode(), FileKind.TEXT),
        (f"\r\n \n MODULE Linux x86_64 {GUID} a.so".encode(), FileKind.TEXT),
        (b"\x7fELF\2\1\1", FileKind.ELF),
        (b"MZ\x90\0", FileKind.PE),
        (b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0", FileKind.PDB),
        (b"\xce\xfa\xed\xfe", FileKind.MACH_O),
        (b"\xcf\xfa\xed\xfe", FileKind.MACH_O),
        (b"\xfe\xed\xfa\xce", FileKind.MACH_O),
        (b"\xfe\xed\xfa\xcf", FileKind.MACH_O),
        (b"\xca\xfe\xba\xbe\0\0\0\2", FileKind.MACH_O),
        (b"\xca\xfe\xba\xbf\0\0\0\2", FileKind.MACH_O),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", FileKind.UNKNOWN),  # Java
        (b"\0asm\1\0\0\0", FileKind.WASM),
        (b"BSJB\1\0\1\0", FileKind.PORTABLE_PDB),
        (b"MSCF\0\0\0\0", FileKind.CABINET),
        (b"<!DOCTYPE html><title>MODULE</title>", FileKind.UNKNOWN),
        (b"SYSB\2\0\0\0", FileKind.UNKNOWN),  # a bundle of source files
        (b"PATH:\\\\host\\symbols\\a.pdb", FileKind.UNKNOWN),  # a `file.ptr`
        (b"MODULEs", FileKind.UNKNOWN),
        (b"", FileKind.UNKNOWN),
    ],
)
def test_the_first_bytes_say_what_a_file_is(beginning: bytes, kind: FileKind) -> None:
    assert kind_of(beginning) is kind
    assert kind_of(beginning + b"\0" * 600) is kind
