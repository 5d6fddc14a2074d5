"""Compiles programs as the tests need them, each once in a run."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

NATIVE = Path(__file__).resolve().parents[1] / "data/native"
MILL = [str(NATIVE / "mill" / f"{unit}.cpp") for unit in ("mill", "sieve", "stones")]

_BUILD_ID = re.compile(r"Build ID: ([0-9a-f]+)")
_LOADED = re.compile(r"LOAD\s+0x[0-9a-f]+ 0x([0-9a-f]+)")
_TEXT = re.compile(r" \.text\s+\w+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)")


class Binary(NamedTuple):
    """An ELF file that references can read, and the debug file that is converted."""

    program: Path
    debug_file: Path

    @property
    def asked(self) -> AskedModule:
        return asked_by_build_id(self.program.name, read_build_id(self.program))


class Recipe(NamedTuple):
    """How a program is compiled, and what is made of its debug information."""

    compiler: str
    options: str
    then: Sequence[str] = ()
    """Commands; `{program}` is what was compiled, `{debug_file}` what they may make of it."""

    def __str__(self) -> str:
        steps = [self.compiler, self.options, *self.then]
        return re.sub(r"[ {}]+", " ", " ".join(steps)).strip()


def tool(name: str) -> str:
    """Return the path of a program, or skip the test; fail where CI says that it has them all."""
    found = shutil.which(name)
    if found is None and is_required():
        pytest.fail(f"{name} is not on the PATH, and SYMBOLON_COMPILERS says that it is")
    if found is None:
        pytest.skip(f"{name} is not on the PATH")
    return found


def is_required() -> bool:
    """Return whether a missing tool is a failure: SYMBOLON_COMPILERS says that all are there."""
    return bool(os.environ.get("SYMBOLON_COMPILERS"))


def run(command: Sequence[str], folder: Path) -> str:
    """Run a program of the tests' toolchains in `folder`; return its output."""
    program = tool(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def compile_program(folder: Path, recipe: Recipe, sources: Sequence[str] = tuple(MILL)) -> Binary:
    """Compile `sources` into `folder`; return what a test compares."""
    program, debug_file = folder / "program", folder / "made.debug"
    build_id = ["-Wl,--build-id=sha1"]
    run([recipe.compiler, *recipe.options.split(), *build_id, *sources, "-o", str(program)], folder)
    for step in recipe.then:
        words = step.format(program=program, debug_file=debug_file, folder=folder).split()
        run(words, folder)
    return Binary(program, debug_file if debug_file.exists() else program)


@cache
def read_build_id(path: Path) -> str:
    """Return an ELF file's GNU build id, as readelf tells it."""
    (found,) = _BUILD_ID.findall(run(["readelf", "--notes", str(path)], path.parent))
    return str(found)


def asked_by_build_id(name: str, build_id: str) -> AskedModule:
    """Return a module as a crash reporter asks for an ELF file with a build id."""
    digits = build_id.ljust(32, "0")
    parts = digits[:8], digits[8:12], digits[12:16]
    swapped = "".join(bytes.fromhex(part)[::-1].hex() for part in parts)
    return AskedModule(ModuleId.parse(name, swapped + digits[16:32]), name, build_id)


def load_address(path: Path) -> int:
    """Return the address from which an ELF file's module offsets count."""
    output = run(["readelf", "--program-headers", "--wide", str(path)], path.parent)
    return min(int(address, 16) for address in _LOADED.findall(output))


def code_addresses(path: Path) -> range:
    """Return the addresses of an ELF file's code."""
    output = run(["readelf", "--section-headers", "--wide", str(path)], path.parent)
    (start, size) = _TEXT.findall(output)[0]
    return range(int(start, 16), int(start, 16) + int(size, 16))
