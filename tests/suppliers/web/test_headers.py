"""Headers for single suppliers."""

from pathlib import Path

import pytest

from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.suppliers.web.headers import InvalidHeadersError, parse_headers
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, SymbolServer
from tests.suppliers.asking import opened

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n"


def fetch(supplier: Supplier, module_id: ModuleId) -> bytes:
    with opened(supplier, AskedModule(module_id)) as stream:
        return b"".join(stream)


def test_a_supplier_gets_its_own_headers_and_no_others(
    symbol_server: SymbolServer, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT))
    url = symbol_server.url
    headers = parse_headers(
        f"# supplier, header\n\n{url}a   X-Api-Key: one two\n  {url}a/ X-Client: crashes\r\n"
        f"{url}b Authorization: Bearer secret\n"
    )
    first, second, third = parse_suppliers(f"{url}a?x=1, {url}b, {url}c", headers=headers)
    for supplier in (first, second, third):
        assert fetch(supplier, module_id) == TEXT
    names = ("X-Api-Key", "X-Client", "Authorization")
    sent = [[get.headers.get(name) for name in names] for get in symbol_server.gets]
    assert sent == [["one two", "crashes", None], [None, None, "Bearer secret"], [None] * 3]


@pytest.mark.promise("Credentials of a supplier are sent to no other host", group="access")
def test_headers_are_not_sent_to_another_host_of_a_redirect(
    symbol_server: SymbolServer, module_id: ModuleId, tmp_path: Path
) -> None:
    with SymbolServer(tmp_path / "other") as other:
        here = Answer(status=302, headers={"Location": "/here"})
        symbol_server.answer(symbol_server.path_of(module_id), here)
        symbol_server.answer("/here", Answer(status=302, headers={"Location": other.url}))
        other.answer(ALL_PATHS, Answer(TEXT))
        headers = parse_headers(f"{symbol_server.url} X-Api-Key: secret")
        (supplier,) = parse_suppliers(symbol_server.url, headers=headers)
        assert fetch(supplier, module_id) == TEXT
        assert [get.headers.get("X-Api-Key") for get in symbol_server.gets] == ["secret"] * 2
        assert "X-Api-Key" not in other.gets[0].headers


def test_a_header_replaces_the_credentials_in_the_url(
    symbol_server: SymbolServer, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT))
    headers = parse_headers(f"{symbol_server.url} Authorization: Bearer fresh")
    (supplier,) = parse_suppliers(symbol_server.url.replace("//", "//me:old@"), headers=headers)
    fetch(supplier, module_id)
    assert symbol_server.gets[0].headers["Authorization"] == "Bearer fresh"


@pytest.mark.parametrize(
    "line",
    [
        "X-Api-Key: secret",
        "http://host secret",
        "http://host X Key: secret",
        "http://host X-Key: secret\x00",
        "http://host X-Key: s\xe9cret",
        "http://host :secret",
        "s3://host X-Key: secret",
        "http://secret:99999/ X-Key: secret",
    ],
)
def test_an_invalid_line_is_reported_by_number(line: str) -> None:
    with pytest.raises(InvalidHeadersError, match="line 2") as caught:
        parse_headers(f"# comment\n{line}\n")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://host/a", "http://host/b", "http://host:8080/a"])
def test_a_header_without_a_supplier_is_refused(url: str) -> None:
    headers = parse_headers(f"{url} X-Key: secret")
    with pytest.raises(InvalidHeadersError, match=r"^the URL in line 1 is not that of a supplier$"):
        parse_suppliers("/folder, http://host/a", headers=headers)


def test_a_header_does_not_show_its_value() -> None:
    assert "secret" not in repr(parse_headers("http://host X-Key: secret"))
