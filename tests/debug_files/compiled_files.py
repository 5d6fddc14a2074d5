"""Files that compilers and linkers write, made of one small program for each system.

Clang and lld make files of every system on any of them. A test whose tools are missing is skipped.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.debug_files import compiling

SOURCE: Final = """\
volatile int basket;
static inline __attribute__((always_inline)) int twice(int apples) {
  basket = apples;
  return apples * 2;
}
__attribute__((noinline)) int weigh(int apples) {
  basket = 7;
  return twice(apples) + basket;
}
int entry(void) { return weigh(4); }
"""

MAIN: Final = SOURCE + "int main(int count, char **words) { return weigh(count); }\n"

WASM_ID: Final = bytes(range(16))


def run(*command: str | Path, folder: Path = Path()) -> None:
    """Run a tool in a folder; skip the test if it is not installed."""
    compiling.run(list(map(str, command)), folder)


def objects_of(path: Path) -> list[Any]:
    """Return the objects in a native file, as `symbolic` has them."""
    return list(importlib.import_module("symbolic").Archive.open(str(path)).iter_objects())


@dataclass(frozen=True)
class Workshop:
    """A folder in which files are made."""

    folder: Path

    def compile(self, name: str, *options: str, compiler: str = "gcc", text: str = MAIN) -> Path:
        """Return a program or, with `-c`, an object file."""
        source, made = self.folder / "orchard.c", self.folder / name
        source.write_text(text)
        # In its folder, where a compiler that splits DWARF leaves the other part.
        run(compiler, *options, "orchard.c", "-o", name, folder=self.folder)
        return made

    def object_for(self, target: str, *options: str) -> Path:
        """Return an object file for the system `target`."""
        options = (f"--target={target}", "-O1", "-g", *options, "-c")
        return self.compile(f"{target}.o", *options, compiler="clang", text=SOURCE)

    def windows_files(self, *linked_with: str) -> tuple[Path, Path]:
        """Return a program for Windows, whose symbols are in its PDB, and that."""
        compiled = self.object_for("x86_64-pc-windows-msvc", "-gcodeview")
        program, pdb = self.folder / "orchard.exe", self.folder / "orchard.pdb"
        options = ("/nodefaultlib", "/entry:entry", "/subsystem:console", "/debug", *linked_with)
        run("lld", "-flavor", "link", *options, f"/pdb:{pdb}", f"/out:{program}", compiled)
        return program, pdb

    def wasm_file(self) -> Path:
        """Return a wasm file with a build id, which its linker does not write yet."""
        made = self.folder / "orchard.wasm"
        compiled = self.object_for("wasm32")
        run("lld", "-flavor", "wasm", "--no-entry", "--export-all", compiled, "-o", made)
        section = b"\x08build_id" + WASM_ID
        made.write_bytes(made.read_bytes() + bytes([0, len(section)]) + section)
        return made

    def mach_o_file(self, processor: str) -> Path:
        """Return a library for macOS, which has a symbol table."""
        made = self.folder / f"{processor}.dylib"
        compiled = self.object_for(f"{processor}-apple-macos11")
        platform = ("-arch", processor, "-platform_version", "macos", "11", "11")
        options = ("-dylib", "-undefined", "dynamic_lookup", compiled, "-o", made)
        run("lld", "-flavor", "darwin", *platform, *options)
        return made


def fat(*objects: bytes) -> bytes:
    """Return a Mach-O file of several objects; a loader looks at their own headers."""
    header = b"\xca\xfe\xba\xbe" + len(objects).to_bytes(4)
    place, bodies = 1 << 14, b""
    for one in objects:
        processor = int.from_bytes(one[4:8], "little"), int.from_bytes(one[8:12], "little")
        header += b"".join(number.to_bytes(4) for number in (*processor, place, len(one), 14))
        padding = -len(one) % (1 << 14)
        bodies += one + b"\0" * padding
        place += len(one) + padding
    return header.ljust(1 << 14, b"\0") + bodies
