"""Real files to serve: an ELF file and its debug file, made by gcc and binutils."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from symbolon_server.symbols.ground.asked_modules import AskedModule, elf_guid
from symbolon_server.symbols.ground.module_ids import ModuleId

_SOURCE = "int twice(int n) { return 2 * n; }\nint main(void) { return twice(21) - 42; }\n"
_NEEDED = ("gcc", "objcopy", "readelf", "strip")


def skip_without(*programs: str) -> None:
    """Skip the test where a program is not installed."""
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


class ElfFiles(NamedTuple):
    """A stripped executable and its debug file."""

    code: Path
    debug: Path
    build_id: str

    @property
    def asked(self) -> AskedModule:
        """The module as a crash report names it."""
        module_id = ModuleId.parse(self.code.name, elf_guid(self.build_id))
        return AskedModule(module_id, self.code.name, self.build_id)


def build_elf(folder: Path) -> ElfFiles:
    """Compile a program in `folder`; skip the test without gcc or binutils."""
    skip_without(*_NEEDED)
    code, debug, source = folder / "app", folder / "app.debug", folder / "app.c"
    source.write_text(_SOURCE)
    for command in (
        ["gcc", "-g", "-O1", "-Wl,--build-id=sha1", "-o", str(code), str(source)],
        ["objcopy", "--only-keep-debug", str(code), str(debug)],
        ["strip", "--strip-all", str(code)],
    ):
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    notes = subprocess.run(["readelf", "-n", code], check=True, capture_output=True, text=True)
    (build_id,) = re.findall(r"Build ID: ([0-9a-f]+)", notes.stdout)
    return ElfFiles(code, debug, build_id)
