"""The committed native files: how each is asked for, and where its code lies."""

from pathlib import Path
from typing import NamedTuple

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.debug_files.compiling import NATIVE, asked_by_build_id, code_addresses, load_address


class Mill(NamedTuple):
    """One of the files in tests/data/native, as the references read it."""

    name: str
    asked: AskedModule
    format: str
    first: int = 0
    """Address of the code; of an ELF file, readelf tells that."""

    size: int = 0
    base: int = 0
    """The address from which module offsets count, again but for ELF files."""

    llvm_options: tuple[str, ...] = ()
    reads_addr2line: bool = True
    llvm_reads: str = ""
    """The file to give to llvm-symbolizer, if it is another one."""

    @property
    def path(self) -> Path:
        return NATIVE / self.name

    @property
    def reference_path(self) -> Path:
        return NATIVE / (self.llvm_reads or self.name)

    @property
    def addresses(self) -> range:
        if self.format == "elf":
            return code_addresses(self.path)
        return range(self.first, self.first + self.size)

    @property
    def load_address(self) -> int:
        return load_address(self.path) if self.format == "elf" else self.base

    def __str__(self) -> str:
        return f"{self.name} {' '.join(self.llvm_options)}".strip()


def _elf(name: str, build_id: str) -> Mill:
    return Mill(name, asked_by_build_id(name, build_id), "elf")


def _asked(debug_file: str, debug_id: str) -> AskedModule:
    return AskedModule(ModuleId.parse(debug_file, debug_id))


_PE_BASE = 0x1_4000_0000
_MACH_O_BASE = 0x1_0000_0000
_X86_64 = "4C4C447B55553144A17AE11B7D512ED80"
_ARM64 = "4C4C442A55553144A15AC454FACE78230"
_WASM = NATIVE / "mill.wasm"

THUMB = _elf("mill-thumb", "90f092ce5079f8ce236bacfdde342c52f8947120")
ARM64 = _elf("mill-arm64", "44e2d5abb3f2bd72")
RUST = [
    _elf("mill-rust-legacy", "f375115e605918ba6c9d8ff2aa239c3aea8d596d"),
    _elf("mill-rust-v0", "db162b39228c25bee806a756b26e2eabb666dff0"),
]
MINGW = Mill(
    "mill-mingw.exe",
    _asked("mill-mingw.exe", "BB936374E088E6994C4C44205044422E1"),
    "pe",
    _PE_BASE + 0x1000,
    0x9E1,
    _PE_BASE,
)
PDB = Mill(
    "mill.pdb",
    _asked("mill.pdb", "F8EEFD937329244A4C4C44205044422E1"),
    "pdb",
    _PE_BASE + 0x1000,
    0x9D1,
    _PE_BASE,
    reads_addr2line=False,
    llvm_reads="mill.exe",
)
DSYM = Mill(
    "mill-x86_64.dwarf",
    _asked("mill", _X86_64),
    "macho",
    _MACH_O_BASE + 0x330,
    0x9F6,
    _MACH_O_BASE,
    reads_addr2line=False,
)
FAT = [
    DSYM._replace(name="mill-fat.dwarf", llvm_options=("--default-arch=x86_64",)),
    DSYM._replace(
        name="mill-fat.dwarf",
        asked=_asked("mill", _ARM64),
        size=0x700,
        llvm_options=("--default-arch=arm64",),
    ),
]


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned number of a wasm file, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def wasm_code(data: bytes) -> range:
    """Return where the code section of a wasm file lies in it: what module offsets count from."""
    at = 8
    while data[at] != 10:
        size, start = _leb128(data, at + 1)
        at = start + size
    size, start = _leb128(data, at + 1)
    return range(start, start + size)


def wasm_mill() -> Mill:
    """Return the wasm file, in which the references count from the code section."""
    code = wasm_code(_WASM.read_bytes())
    asked = _asked("mill.wasm", "106D696C6C20696E207761736D0001020")
    return Mill("mill.wasm", asked, "wasm", 0, len(code), -code.start, reads_addr2line=False)


MILLS = [THUMB, ARM64, *RUST, MINGW, PDB, DSYM, *FAT, wasm_mill()]
