"""Real files to serve: an ELF file and its debug file, made by gcc and binutils."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from symbolon_server.symbols.ground.asked_modules import AskedModule
from tests.debug_files.compiling import asked_by_build_id, read_build_id, run

_SOURCE = "int twice(int n) { return 2 * n; }\nint main(void) { return twice(21) - 42; }\n"


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
        return asked_by_build_id(self.code.name, self.build_id)


def build_elf(folder: Path) -> ElfFiles:
    """Compile a program in `folder`; skip the test without gcc or binutils."""
    (folder / "app.c").write_text(_SOURCE)
    run(["gcc", "-g", "-O1", "-Wl,--build-id=sha1", "-o", "app", "app.c"], folder)
    run(["objcopy", "--only-keep-debug", "app", "app.debug"], folder)
    run(["strip", "--strip-all", "app"], folder)
    code = folder / "app"
    return ElfFiles(code, folder / "app.debug", read_build_id(code))
