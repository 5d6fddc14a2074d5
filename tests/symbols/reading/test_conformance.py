"""The reader and the pages against reference answers.

Functions, lines and public symbols are answered like the Breakpad processor's resolver, inline
frames by level and address, as rust-minidump, symbolic and the debug information agree.

Neither the answers nor the symbol files are part of this repository. `SYMBOLON_CONFORMANCE` names
the folder of the answers: `cases.json`, small files that each show one rule, and for thousands of
offsets of larger files `real/<debug file>.jsonl.gz` and `stock/<debug file>.jsonl.gz`. The files
are at `<debug file>/<DEBUG ID>/*.sym` in the folders `SYMBOLON_BENCH_SYMBOLS` (large ones) and
`SYMBOLON_STOCK_SYMBOLS` (as the stock writers, Mozilla's and Google's `dump_syms`, made them).
"""

import base64
import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.spelling import clean_path
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.symbols.model import Model
from tests.symbols.read_texts import INGEST, find_in_pages

CASES_MODULE_ID = ModuleId("foo", "0123456789ABCDEF0123456789ABCDEF0")

REAL_FILES = ("libc.so.6", "libstdc++.so.6")
"""Real files with reference answers. Those of the larger ones are asked of a server, which has to
ingest them anyway: tests/system/load/test_real_modules.py.
"""

LEAST_STOCK_FILES = 18

PIECE_BYTES = 1 << 20

Find = Callable[[int], Answer | None]


@dataclass(frozen=True)
class Case:
    """A small symbol file and its reference answers."""

    name: str
    text: bytes
    is_corrupt: bool
    answers: list[dict[str, Any]]


def folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set")
    return Path(os.environ[variable])


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    with (folder("SYMBOLON_CONFORMANCE") / "cases.json").open(encoding="utf-8") as file:
        return [
            Case(
                case["name"],
                case["symbol_file"].encode()
                if "symbol_file" in case
                else base64.b64decode(case["symbol_file_base64"]),
                case["reported_corrupt"],
                case["answers"],
            )
            for case in json.load(file)
        ]


def read_symbol_file(variable: str, debug_file: str) -> SymbolTable:
    (path,) = (folder(variable) / debug_file).glob("*/*.sym")
    module_id = ModuleId.parse(debug_file, path.parent.name)
    reader = SymbolFileReader(module_id, are_demangled=False)
    with path.open("rb") as file:
        return reader.read(iter(lambda: file.read(PIECE_BYTES), b""))


@pytest.fixture(scope="module", params=REAL_FILES)
def real_table(request: pytest.FixtureRequest) -> tuple[str, SymbolTable]:
    """The name and table of a real file, read once for all its tests."""
    return request.param, read_symbol_file("SYMBOLON_BENCH_SYMBOLS", request.param)


def real_answers(debug_file: str) -> Iterator[dict[str, Any]]:
    return read_answers(folder("SYMBOLON_CONFORMANCE") / "real" / f"{debug_file}.jsonl.gz")


def read_answers(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as lines:
        yield from map(json.loads, lines)


def text(latin1: str) -> str:
    """Return a string of the reference, whose characters are bytes, as Symbolon shows it."""
    return latin1.encode("latin-1").decode(errors="replace")


def path(latin1: str) -> str:
    """Return a path of the reference, which leaves it unchanged, as Symbolon shows it."""
    return clean_path(latin1.encode("latin-1")).decode(errors="replace")


def expected(answer: dict[str, Any]) -> Answer | None:
    frame = answer.get("frame")
    if frame is None:
        return None
    return Answer(
        text(frame["function"]),
        answer["offset"] - frame["function_offset"],
        path(frame["file"]),
        frame["line"],
        tuple(
            InlineAnswer(text(inline["function"]), path(inline["file"]), inline["line"])
            for inline in answer["inlines"]
        ),
        frame["multiple"],
    )


def agree(find: Find, answer: dict[str, Any]) -> bool:
    return find(answer["offset"]) == expected(answer)


def test_small_files_answer_like_the_reference(cases: list[Case]) -> None:
    assert cases
    for case in cases:
        reader = SymbolFileReader(CASES_MODULE_ID, are_demangled=False)
        table = reader.read([case.text])
        find = find_in_pages(write_pages(table, "1-0", INGEST, page_weight=4))
        for answer in case.answers:
            assert agree(table.find, answer), (case.name, answer)
            assert agree(find, answer), (case.name, answer)
        assert bool(table.facts.skipped_records) == case.is_corrupt, case.name


def test_the_model_answers_like_the_reference(cases: list[Case]) -> None:
    for case in cases:
        model = Model(case.text)
        for answer in case.answers:
            assert agree(model.find, answer), (case.name, answer)
        assert any(model.skipped.values()) == case.is_corrupt, case.name


def test_real_files_answer_like_the_reference(real_table: tuple[str, SymbolTable]) -> None:
    debug_file, table = real_table
    answers = list(real_answers(debug_file))
    assert len(answers) == 3000
    assert [answer for answer in answers if not agree(table.find, answer)] == []


def test_pages_of_real_files_answer_like_the_reference(
    real_table: tuple[str, SymbolTable],
) -> None:
    debug_file, table = real_table
    module = write_pages(table, "1-0", INGEST)
    assert len(module.pages) > 10
    find = find_in_pages(module)
    assert [answer for answer in real_answers(debug_file) if not agree(find, answer)] == []


def test_no_record_of_a_real_file_is_skipped(real_table: tuple[str, SymbolTable]) -> None:
    assert real_table[1].facts.skipped_records == {}


def test_files_of_the_stock_writers_answer_like_the_reference_and_have_no_bad_records() -> None:
    paths = sorted((folder("SYMBOLON_CONFORMANCE") / "stock").glob("*.jsonl.gz"))
    assert len(paths) >= LEAST_STOCK_FILES
    for path in paths:
        debug_file = path.name.removesuffix(".jsonl.gz")
        table = read_symbol_file("SYMBOLON_STOCK_SYMBOLS", debug_file)
        assert table.facts.skipped_records == {}, debug_file
        find = find_in_pages(write_pages(table, "1-0", INGEST))
        for answer in read_answers(path):
            assert agree(table.find, answer), (debug_file, answer)
            assert agree(find, answer), (debug_file, answer)
