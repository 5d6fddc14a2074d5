"""A symbol file that Mozilla's dump_syms makes of a program gives the lines that its DWARF gives.

`SYMBOLON_DUMP_SYMS` names the program: cargo install dump_syms. The sample's symbol file, which it
made, is compared in test_sample.py wherever the tests run.
"""

import os
from pathlib import Path

import pytest

from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.debug_files.compared.asking import LEAST_SHARE, ask_us
from tests.debug_files.compared.comparing import places
from tests.debug_files.compared.references import frames_of
from tests.debug_files.compiling import Recipe, code_addresses, compile_program, load_address, run

RECIPES = [Recipe("g++", "-O2 -g"), Recipe("clang++", "-O2 -gdwarf-4"), Recipe("g++", "-O0 -g")]


@pytest.fixture
def dump_syms() -> str:
    named = os.environ.get("SYMBOLON_DUMP_SYMS")
    if not named:
        pytest.skip("SYMBOLON_DUMP_SYMS names no dump_syms")
    return named


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_dump_syms_gives_the_lines_that_we_give(
    recipe: Recipe, dump_syms: str, tmp_path: Path
) -> None:
    binary = compile_program(tmp_path, recipe)
    reader = SymbolFileReader(binary.asked.module_id)
    reader.feed(run([dump_syms, "--inlines", str(binary.program)], tmp_path).encode())
    text = reader.finish()
    addresses, base = code_addresses(binary.program), load_address(binary.program)
    _, ours = ask_us(binary, addresses)
    pairs = [
        (places(mine), places(frames_of(found)))
        for mine, address in zip(ours, addresses, strict=True)
        if (found := text.find(address - base)) is not None and not found.is_public
    ]
    assert len(pairs) > len(addresses) / 2
    assert sum(mine == theirs for mine, theirs in pairs) >= LEAST_SHARE * len(pairs)
