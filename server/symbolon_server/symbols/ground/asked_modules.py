"""A module as a caller asked for it, with the other names that suppliers may file it under."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, Self
from uuid import UUID

from symbolon_server.symbols.ground.module_ids import (
    GUID_DIGITS,
    InvalidModuleIdError,
    ModuleId,
    check_file_name,
)

MAX_CODE_ID_DIGITS = 255
"""A build id has 40 digits unless the linker was given another one; it must fit a file name."""

_CODE_ID = re.compile(rf"[0-9A-Fa-f]{{1,{MAX_CODE_ID_DIGITS}}}")
_TIMESTAMP_DIGITS = 8
_PE_DIGITS = range(9, 17)
"""Eight digits of a timestamp and up to eight of a size."""

_SHORT_BUILD_ID_DIGITS = 16
_WINDOWS_NAMES: Final = (".pdb", ".exe", ".dll", ".sys", ".ocx", ".drv", ".cpl", ".scr")
_SEPARATORS = re.compile(r"[/\\]")


class AskedModule(NamedTuple):
    """A module id and what a caller sent with it; pages are stored under the module id alone."""

    module_id: ModuleId

    code_file: str = ""
    """The executable's file name, without a path; empty if unknown."""

    code_id: str = ""
    """The executable's identity in hex digits; empty if unknown."""

    lacks_age: bool = False
    """Whether the debug id was sent as 32 digits, under which some stores file the module."""

    @classmethod
    def of(cls, module_id: ModuleId, code_file: str, code_id: str, *, lacks_age: bool) -> Self:
        """Return the module with an untrusted code file and code id, as far as they are valid."""
        return cls(module_id, read_code_file(code_file), read_code_id(code_id), lacks_age)

    @property
    def plain(self) -> Self:
        """The module as suppliers know it, without regard to variants."""
        return self._replace(module_id=self.module_id.plain)

    @property
    def is_named_by_code_id(self) -> bool:
        """Whether the debug id is one that `derive_debug_id` made of a PE file's code id."""
        is_of_pe = may_be_pe_code_id(self.code_id)  # a UUID is its own debug id
        return is_of_pe and self.module_id.plain.debug_id == _pe_debug_id(self.code_id)

    def or_as(self, other: Self) -> Self:
        """Return this module, with what it lacks taken from `other`, which has the same id."""
        return self._replace(
            code_file=self.code_file or other.code_file,
            code_id=self.code_id or other.code_id,
            lacks_age=self.lacks_age or other.lacks_age,
        )


def join_asked(modules: Iterable[AskedModule | None]) -> dict[ModuleId, AskedModule]:
    """Return the distinct modules by id, each with everything that was sent about it."""
    joined: dict[ModuleId, AskedModule] = {}
    for module in filter(None, modules):
        joined[module.module_id] = joined.get(module.module_id, module).or_as(module)
    return joined


def read_code_file(text: str) -> str:
    """Return the last part of a code file's path; empty if that is not a valid file name.

    A minidump has the path from which the module was loaded.
    """
    name = _SEPARATORS.split(text)[-1]
    try:
        check_file_name("code_file", name)
    except InvalidModuleIdError:
        return ""
    return name


def derive_debug_id(file: str, code_id: str) -> str:
    """Return the debug id that a code id leads to; empty if none does.

    `file` is the name of the executable or of its debug file. An ELF file's debug id has the first
    16 bytes of its build id, as the fields of a GUID: three little-endian numbers, then bytes.
    Mach-O and WebAssembly files use the bytes as they are; a Mach-O file has exactly 16.

        cc6f1ed9 b1a6 4d3f 9c2d5ed0c9c1a0b1 20f4a1c6  ->  D91E6FCC A6B1 3F4D 9C2D5ED0C9C1A0B1 0

    Timestamp and size of a PE file do not tell the id of its PDB. They are 32 digits with leading
    zeros instead, which no GUID has: suppliers are then asked for the PE file, which tells.
    """
    if _is_elf(file, code_id):
        return f"{elf_guid(code_id)}0"
    if len(code_id) >= GUID_DIGITS:
        return f"{code_id[:GUID_DIGITS].upper()}0"
    return _pe_debug_id(code_id) if may_be_pe_code_id(code_id) else ""


def elf_guid(build_id: str) -> str:
    """Return the digits of the GUID in the debug id of an ELF file, in upper case.

    `build_id` must have an even number of hex digits; a short one is padded with zeros.
    """
    digits = build_id[:GUID_DIGITS].ljust(GUID_DIGITS, "0")
    return UUID(bytes_le=bytes.fromhex(digits)).hex.upper()


def may_be_pe_code_id(code_id: str) -> bool:
    """Return whether these may be a timestamp and a size; a short build id may look like them."""
    return len(code_id) in _PE_DIGITS


def normalise_pe_code_id(code_id: str) -> str:
    """Return a PE file's code id as symbol servers have it.

    The timestamp is in upper case, the size in lower case and without leading zeros.
    """
    size = code_id[_TIMESTAMP_DIGITS:].lstrip("0") or "0"
    return code_id[:_TIMESTAMP_DIGITS].upper() + size.lower()


def is_windows_name(file: str) -> bool:
    """Return whether a file has one of the endings of PE files, or that of their PDBs."""
    return file.lower().endswith(_WINDOWS_NAMES)


def is_elf_library_name(file: str) -> bool:
    """Return whether a file is named like a shared library of ELF, with or without a version.

    On macOS, Python's extension modules are, but say so: `_ssl.cpython-312-darwin.so`.
    """
    name = file.lower()
    return (name.endswith(".so") or ".so." in name) and "-darwin." not in name


def _pe_debug_id(code_id: str) -> str:
    return f"{normalise_pe_code_id(code_id).upper().zfill(GUID_DIGITS)}0"


def _is_elf(file: str, code_id: str) -> bool:
    if not code_id or len(code_id) % 2 or file.lower().endswith(".wasm"):
        return False
    if len(code_id) > GUID_DIGITS or is_elf_library_name(file):
        return True
    # LLD's build ids have eight bytes by default. A PE file of 256 MiB, whose code id is as long,
    # has a Windows name.
    return len(code_id) == _SHORT_BUILD_ID_DIGITS and not is_windows_name(file)


def read_code_id(text: str) -> str:
    """Return a code id's digits, without the dashes of a UUID; empty if it is not hex."""
    digits = text.replace("-", "")
    return digits if _CODE_ID.fullmatch(digits) else ""
