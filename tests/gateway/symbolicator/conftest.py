"""A gateway whose suppliers have the modules of Symbolicator's examples, and others."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import SAMPLE, environment_in, starting
from tests.gateway.asking import await_http, post

PATH = "/symbolicate"
NATIVE = SAMPLE.parent / "native"

SYMBOL_FILES = {
    "wkernel32.pdb/FF9F9F7841DB88F0CDEDA9E1E9BFF3B51": """windows x86
FUNC 10000 10 0 nearby
10000 10 1 0
PUBLIC 18630 0 BaseThreadInitThunk
""",
    "crash.pdb/3249D99D0C4049318610F4E4FB0B69361": """windows x86
FUNC 100 10 0 main
100 10 1 0
PUBLIC 37f2 0 memcpy
""",
    "hello/502FC0A51EC13E479998684FA139DCA70": """mac x86_64
FILE 0 /tmp/hello.c
FUNC fa0 20 0 main
fa0 20 1 0
PUBLIC 2000 0 after
""",
    "thumb.so/00000000000000000000000000000ABC0": """Linux arm
FILE 0 a.c
FUNC 1000 10 0 thumb
1000 4 1 0
1004 c 2 0
""",
    "wide.so/00000000000000000000000000000ABD0": """Linux arm64
FILE 0 a.c
FUNC 1000 10 0 wide
1000 4 1 0
1004 4 2 0
1008 8 3 0
""",
    "mangled.so/00000000000000000000000000000ABF0": """Linux x86_64
FILE 0 a.cpp
INLINE_ORIGIN 0 _ZN1a5innerEv
FUNC 1000 10 0 _ZN1a5outerEi
INLINE 0 7 0 0 1000 4
1000 10 1 0
""",
    "broken.so/00000000000000000000000000000ABE0": "no symbol file\n",
}

NATIVE_FILES = {
    "4C4C/447B/5555/3144/A17A/E11B7D512ED8": "mill-x86_64.dwarf",
    "10/6d696c6c20696e207761736d00010203.debug": "mill.wasm",
}


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the gateway."""
    folder = tmp_path_factory.mktemp("stacks")
    breakpad, native = folder / "breakpad", folder / "native"
    shutil.copytree(SAMPLE / "symbols", breakpad)
    for module, text in SYMBOL_FILES.items():
        name, _, debug_id = module.partition("/")
        place = breakpad / module / f"{name.removesuffix('.pdb')}.sym"
        system, _, records = text.partition("\n")
        _write(place, f"MODULE {system} {debug_id} {name}\n{records}".encode())
    for path, name in NATIVE_FILES.items():
        _write(native / path, (NATIVE / name).read_bytes())
    with starting(environment_in(folder), folder) as start_one:
        program = start_one(
            "serve",
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            suppliers=f"{breakpad},{native}#layout=native",
        )
        yield await_http(program)
        assert "Traceback" not in program.log


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(data)


def complete(address: str, document: object, query: str = "") -> Any:
    """Return the answer to a request, which must be complete."""
    answer = post(address, PATH + query, document)
    assert answer.status == 200, answer
    assert answer.content["status"] == "completed"
    return answer.content
