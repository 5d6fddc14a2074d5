"""Requests to a symbol server that has the file."""

import gzip
import subprocess
import sys
from importlib.metadata import version

import pytest

from symbolon_server.suppliers.contents.errors import MissingSymbolFileError
from symbolon_server.suppliers.layouts.options import Casing, SupplierOptions
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, fetch, opened
from tests.suppliers.conftest import MakeSupplier


def test_the_text_arrives_whole(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    path = symbol_server.put(module_id, TEXT)

    assert fetch(make_supplier(), module_id) == TEXT
    assert path == "/xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym"
    assert symbol_server.counts() == {path: 1}


def test_bytes_are_counted_as_sent(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    packed = gzip.compress(TEXT * 1000)
    symbol_server.put(module_id, packed)

    with opened(make_supplier(), AskedModule(module_id)) as stream:
        assert b"".join(stream) == TEXT * 1000
    assert stream.fetched_bytes == len(packed)


def test_the_user_agent_names_the_software(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.put(module_id, TEXT)
    fetch(make_supplier(), module_id)

    assert symbol_server.gets[0].headers["User-Agent"] == "symbolon/1.2.3"


def test_the_user_agent_is_the_distribution_and_its_version(
    symbol_server: SymbolServer, module_id: ModuleId
) -> None:
    symbol_server.put(module_id, TEXT)
    (supplier,) = parse_suppliers(symbol_server.url)
    assert isinstance(supplier, HttpSupplier)
    fetch(supplier, module_id)

    said = symbol_server.gets[0].headers["User-Agent"]
    assert said == f"symbolon-grpc/{version('symbolon-grpc')}"


@pytest.mark.parametrize(
    ("debug_file", "path"),
    [
        ("a b+c#.pdb", "a%20b%2Bc%23.pdb/{}/a%20b%2Bc%23.sym"),
        ("%2e%2e", "%252e%252e/{}/%252e%252e.sym"),
        ("q?x=1&y", "q%3Fx%3D1%26y/{}/q%3Fx%3D1%26y.sym"),
        ("Größe.PDB", "Gr%C3%B6%C3%9Fe.PDB/{}/Gr%C3%B6%C3%9Fe.sym"),
        ("libc~.so;6", "libc~.so%3B6/{}/libc~.so%3B6.sym"),
    ],
)
def test_names_are_quoted_in_the_path(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    debug_file: str,
    path: str,
) -> None:
    module_id = ModuleId.parse(debug_file, "A" * 33)
    symbol_server.put(module_id, TEXT)

    assert fetch(make_supplier(), module_id) == TEXT
    assert symbol_server.gets[0].path == "/" + path.format("A" * 33)


@pytest.mark.parametrize(
    ("casing", "path"),
    [
        (
            Casing.DEFAULT,
            "/Stra%C3%9Fe%20X.PDB/44E4EC8C2F41492B9369D6B9A059577C2A/Stra%C3%9Fe%20X.sym",
        ),
        (
            Casing.LOWER,
            "/stra%C3%9Fe%20x.pdb/44e4ec8c2f41492b9369d6b9a059577c2a/stra%C3%9Fe%20x.sym",
        ),
        (
            Casing.UPPER,
            "/STRA%C3%9FE%20X.PDB/44E4EC8C2F41492B9369D6B9A059577C2A/STRA%C3%9FE%20X.SYM",
        ),
    ],
)
def test_the_casing_applies_to_the_whole_path_below_the_url(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, casing: Casing, path: str
) -> None:
    module_id = ModuleId.parse("Straße X.PDB", "44e4ec8c2f41492b9369d6b9a059577C2a")
    symbol_server.answer(f"/Store{path}", Answer(TEXT))
    supplier = make_supplier(f"{symbol_server.url}Store", SupplierOptions(casing))

    assert fetch(supplier, module_id) == TEXT
    assert symbol_server.counts() == {f"/Store{path}": 1}


@pytest.mark.parametrize("base", ["v1/public", "v1/public/"])
def test_a_url_may_have_a_path_and_a_query(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    base: str,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT))
    supplier = make_supplier(f"{symbol_server.url}{base}?sig=a%2Bb&x")

    assert fetch(supplier, module_id) == TEXT
    path = symbol_server.path_of(module_id)
    assert symbol_server.gets[0].path == f"/v1/public{path}?sig=a%2Bb&x"
    assert supplier.name == f"127.0.0.1:{symbol_server.port}/v1/public"


def test_connections_are_reused_after_any_response(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(
        ALL_PATHS,
        Answer(TEXT),
        Answer(b"no", status=404),
        Answer(TEXT, ending=Ending.CHUNKED),
        Answer(b"moved", status=302, headers={"Location": "/elsewhere"}),
        Answer(TEXT),
    )
    supplier = make_supplier()
    for _ in range(4):
        try:
            fetch(supplier, module_id)
        except MissingSymbolFileError:
            continue

    assert symbol_server.get_count == 5
    assert symbol_server.connections == 1


def test_a_forked_process_opens_its_own_connections(
    symbol_server: SymbolServer, module_id: ModuleId
) -> None:
    symbol_server.put(module_id, TEXT)

    run = subprocess.run(
        [
            sys.executable,
            "-c",
            FETCH_BEFORE_AND_AFTER_A_FORK,
            symbol_server.url,
            str(module_id),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )

    assert run.stdout.split() == [b"child", b"0", b"parent"]
    assert symbol_server.get_count == 3
    assert symbol_server.connections == 2


def test_cookies_are_not_kept(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT, headers={"Set-Cookie": "a=b; Path=/"}))
    supplier = make_supplier()
    fetch(supplier, module_id)
    fetch(supplier, module_id)

    assert "Cookie" not in symbol_server.gets[1].headers


FETCH_BEFORE_AND_AFTER_A_FORK = """
import os, sys
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

(supplier,) = parse_suppliers(sys.argv[1])
module_id = ModuleId.from_text(sys.argv[2])

def fetch():
    with supplier.fetch(supplier.candidates(AskedModule(module_id))[0]) as stream:
        assert b"".join(stream).startswith(b"MODULE")

fetch()
child = os.fork()
if child == 0:
    fetch()
    os.write(1, b"child ")
    os._exit(0)
print(os.waitpid(child, 0)[1], end=" ")
fetch()
print("parent")
"""
