"""The paths requested for a module's symbol file, and their order."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.layout import Layout, by_code_id, by_debug_id
from symbolon_server.suppliers.layouts.options import SupplierOptions
from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import Answer, SymbolServer
from tests.suppliers.asking import opened

SSE = ModuleId.parse("ShowSSEConfig.pdb", "D57F52D4A2FD56244C4C44205044422E1")
LIBXUL = ModuleId.parse("libxul.so", "0123456789abcdef0123456789abcdef")
TOLD = AskedModule(SSE, "ShowSSEConfig.exe", "6a4b9a365000")
BOTH = (by_debug_id, by_code_id)

BY_DEBUG_ID = "ShowSSEConfig.pdb/D57F52D4A2FD56244C4C44205044422E1/ShowSSEConfig.sym"
BY_CODE_ID = "ShowSSEConfig.exe/6A4B9A365000/ShowSSEConfig.sym"
WITH_AGE = "libxul.so/0123456789ABCDEF0123456789ABCDEF0/libxul.so.sym"
WITHOUT_AGE = "libxul.so/0123456789ABCDEF0123456789ABCDEF/libxul.so.sym"

Make = Callable[[SymbolServer, Sequence[Layout]], Supplier]


def make_directory(server: SymbolServer, layouts: Sequence[Layout]) -> Supplier:
    server.folder.mkdir(exist_ok=True)
    return DirectorySupplier(server.folder, options=SupplierOptions(layouts=layouts))


def make_http(server: SymbolServer, layouts: Sequence[Layout]) -> Supplier:
    return HttpSupplier(
        ServerUrl.parse(server.url), "symbolon/1.2.3", options=SupplierOptions(layouts=layouts)
    )


@pytest.fixture(params=[make_directory, make_http])
def make(request: pytest.FixtureRequest) -> Make:
    kind: Make = request.param
    return kind


def put(server: SymbolServer, path: str, text: bytes = b"MODULE") -> None:
    file = Path(server.folder, path)
    file.parent.mkdir(parents=True)
    file.write_bytes(text)


def fetch(supplier: Supplier, asked: AskedModule) -> bytes:
    with opened(supplier, asked) as stream:
        return b"".join(stream)


def paths(layouts: Sequence[Layout], asked: AskedModule) -> list[str]:
    return [str(path) for layout in layouts for path in layout(asked)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (TOLD, [BY_DEBUG_ID, BY_CODE_ID]),
        (AskedModule(SSE, "ShowSSEConfig.exe"), [BY_DEBUG_ID]),
        (AskedModule(SSE, code_id="6A4B9A365000"), [BY_DEBUG_ID]),
        (AskedModule(LIBXUL), [WITH_AGE]),
        (AskedModule(LIBXUL, lacks_age=True), [WITH_AGE, WITHOUT_AGE]),
        (
            AskedModule(LIBXUL, "libxul.so", "ab", lacks_age=True),
            [WITH_AGE, WITHOUT_AGE, "libxul.so/AB/libxul.so.sym"],
        ),
    ],
)
def test_paths_are_requested_in_order(asked: AskedModule, expected: list[str]) -> None:
    assert paths(BOTH, asked) == expected


@pytest.mark.parametrize(
    ("code_file", "name"), [("XUL.DLL", "XUL.sym"), ("a.exe", "a.sym"), ("a.so", "a.so.sym")]
)
def test_a_symbol_file_by_code_id_is_named_after_the_code_file(code_file: str, name: str) -> None:
    assert paths([by_code_id], AskedModule(SSE, code_file, "5F")) == [f"{code_file}/5F/{name}"]


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (TOLD, BY_DEBUG_ID),
        (TOLD, BY_CODE_ID),
        (AskedModule(LIBXUL, lacks_age=True), WITH_AGE),
        (AskedModule(LIBXUL, lacks_age=True), WITHOUT_AGE),
    ],
)
def test_the_first_existing_path_is_read(
    symbol_server: SymbolServer, make: Make, asked: AskedModule, path: str
) -> None:
    put(symbol_server, path)
    assert fetch(make(symbol_server, BOTH), asked) == b"MODULE"


def test_a_file_found_by_debug_id_is_not_requested_by_code_id(
    symbol_server: SymbolServer, make: Make
) -> None:
    put(symbol_server, BY_DEBUG_ID, b"by debug id")
    put(symbol_server, BY_CODE_ID, b"by code id")
    assert fetch(make(symbol_server, BOTH), TOLD) == b"by debug id"


def test_code_ids_are_used_only_if_the_options_say_so(
    symbol_server: SymbolServer, make: Make
) -> None:
    put(symbol_server, BY_CODE_ID)
    with pytest.raises(MissingSymbolFileError, match="has no such file"):
        fetch(make(symbol_server, SupplierOptions().layouts), TOLD)


def test_a_server_gets_one_request_for_each_path(symbol_server: SymbolServer) -> None:
    with pytest.raises(MissingSymbolFileError):
        fetch(make_http(symbol_server, BOTH), TOLD)
    assert [get.path for get in symbol_server.gets] == [f"/{BY_DEBUG_ID}", f"/{BY_CODE_ID}"]


def test_a_failure_ends_the_search_and_is_not_missing(symbol_server: SymbolServer) -> None:
    symbol_server.answer(f"/{BY_DEBUG_ID}", Answer(status=403))
    put(symbol_server, BY_CODE_ID)
    with pytest.raises(UnavailableSymbolFileError, match="403"):
        fetch(make_http(symbol_server, BOTH), TOLD)
    assert [get.path for get in symbol_server.gets] == [f"/{BY_DEBUG_ID}"]
