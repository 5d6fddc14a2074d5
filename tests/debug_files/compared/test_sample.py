"""The sample's debug file and its symbol file give the same frames."""

import json
from functools import cache
from pathlib import Path

import pytest

from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.debug_files.compiling import asked_by_build_id, read_build_id
from tests.fuzz.samples import MODULE_ID, read_table, sample_text

SAMPLE = Path(__file__).resolve().parents[2] / "data/sample"
BUILD_ID = "c7e3d8c359b6f14ddfca907993b47725c1d27eef"
DEBUG_FILE = SAMPLE / f"debug/.build-id/{BUILD_ID[:2]}/{BUILD_ID[2:]}.debug"
CODE = range(0x1040, 0x1246)
"""From `main` to the end of `grade`."""


@cache
def native_table() -> SymbolTable:
    asked = AskedModule(MODULE_ID, code_id=BUILD_ID)
    return convert(DEBUG_FILE, asked, max_unpacked_bytes=1 << 20)


@cache
def text_table() -> SymbolTable:
    return read_table(sample_text())


def without_size(answer: Answer | None) -> tuple[object, ...] | None:
    """Return what people see of an answer; whether it is a public symbol they do not."""
    if answer is None:
        return None
    return answer.function, answer.function_start, answer.file, answer.line, answer.inlines


def crash_offsets() -> list[int]:
    (job,) = json.loads((SAMPLE / "crash.json").read_text(encoding="utf-8"))["jobs"]
    (stack,) = job["stacks"]
    return [offset for module, offset in stack if module == 0]


def test_the_debug_file_is_filed_by_the_build_id_of_the_module() -> None:
    assert read_build_id(DEBUG_FILE) == BUILD_ID
    assert asked_by_build_id("orchard", BUILD_ID).module_id == MODULE_ID


@pytest.mark.parametrize("offset", crash_offsets(), ids=hex)
def test_both_give_the_same_frames_of_the_crash(offset: int) -> None:
    found = native_table().find(offset)
    assert found is not None
    assert without_size(found) == without_size(text_table().find(offset))


def test_both_give_the_same_frames_of_all_functions() -> None:
    differ = [
        hex(offset)
        for offset in CODE
        if (found := text_table().find(offset)) is not None
        and not found.is_public
        and without_size(native_table().find(offset)) != without_size(found)
    ]
    assert differ == []


def test_a_public_symbol_ends_where_the_debug_file_says_so() -> None:
    """A symbol file gives public symbols no size: the padding after one is taken for its."""
    for offset in CODE:
        found, text = native_table().find(offset), text_table().find(offset)
        assert found is None or without_size(found) == without_size(text)
