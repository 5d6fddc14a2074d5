"""A program in Go is answered as LLVM and Go itself answer.

binutils 2.40 does not read what Go 1.25 and later write; `go tool addr2line` reads no DWARF but
the table that the runtime prints stacks from, which has the innermost line and the outermost
function. The library names the very first function `runtime.text`, by a symbol at its address: they
are right.
"""

from pathlib import Path

import pytest

from tests.debug_files.compared.asking import LEAST_SHARE, ask_us
from tests.debug_files.compared.comparing import places
from tests.debug_files.compared.references import Frames, ask, ask_llvm
from tests.debug_files.compiling import NATIVE, Binary, code_addresses, tool
from tests.others.installed import NO_C, found, installed, run

BUILD_ID = "0123456789abcdef0123456789abcdef01234567"
SOURCE = NATIVE / "mill/mill.go"
STEP = 61
ASSEMBLY = ".abi0"
"""What the linker appends to functions in assembly; Go's own table has the names of the source."""


def go_program() -> Path:
    """Return the mill as Go compiles it, with a build id."""
    go = found("go")
    flags = [f"-ldflags=-B=0x{BUILD_ID}", "-o", "mill"]

    def build(folder: Path) -> None:
        run([go, "build", *flags, str(SOURCE)], folder, NO_C)

    return installed("go-mill", SOURCE.read_text(encoding="utf-8"), build) / "mill"


@pytest.fixture(scope="module")
def program() -> Path:
    return go_program()


def ask_go(path: Path, addresses: range) -> list[tuple[str, str]]:
    """Return the outermost function, and the innermost file and line, of each address."""
    lines = ask([tool("go"), "tool", "addr2line", str(path)], addresses).splitlines()
    return list(zip(lines[::2], lines[1::2], strict=True))


def inner_place(frames: Frames) -> str:
    return f"{frames[0].file}:{frames[0].line}"


@pytest.mark.installs
@pytest.mark.promise("Native debug files are answered as two independent readers answer")
def test_a_program_in_go_is_answered_as_llvm_and_go_answer(program: Path) -> None:
    addresses = code_addresses(program)[::STEP]
    table, ours = ask_us(Binary(program, program), addresses)
    answered = [
        (mine, llvm, go)
        for mine, llvm, go in zip(
            ours, ask_llvm(program, addresses), ask_go(program, addresses), strict=True
        )
        if llvm and llvm[0].file and go[0] != "?" and inner_place(llvm) == go[1]
    ]
    equal = [
        mine
        and places(mine) == places(llvm)
        and mine[-1].name.removesuffix(ASSEMBLY) == llvm[-1].name.removesuffix(ASSEMBLY) == go[0]
        for mine, llvm, go in answered
    ]
    assert len(equal) > len(addresses) / 2
    assert sum(map(bool, equal)) >= LEAST_SHARE * len(equal)
    assert (table.facts.format, table.facts.notes) == ("elf", ())
