"""The setting that lists the suppliers."""

from pathlib import Path

import pytest

from symbolon_server.suppliers.contents.errors import MissingSymbolFileError
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.options import URL_OPTIONS, Casing
from symbolon_server.suppliers.parse import InvalidSupplierError, parse_suppliers
from symbolon_server.suppliers.web.headers import parse_headers
from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer
from tests.suppliers.asking import TEXT


def names(text: str) -> list[str]:
    return [supplier.name for supplier in parse_suppliers(text)]


def test_directories_and_urls_keep_their_order() -> None:
    suppliers = parse_suppliers("/srv/symbols, HTTPS://Symbols.Example/try/ ,relative")

    assert [supplier.name for supplier in suppliers] == [
        "/srv/symbols",
        "symbols.example/try",
        "relative",
    ]
    kinds = [type(supplier) for supplier in suppliers]
    assert kinds == [DirectorySupplier, HttpSupplier, DirectorySupplier]


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_no_suppliers_are_allowed(text: str) -> None:
    assert parse_suppliers(text) == []


def test_a_directory_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert names("~/symbols") == [str(Path("/home/me/symbols"))]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://me:secret@host/", "host"),
        ("http://secret@host:80/", "host"),
        ("https://me:sec%40ret@host:8443/a/?secret", "host:8443/a"),
        ("http://me:secret@[::1]:80/", "[::1]"),
        ("http://me:se@cret@host", "host"),
    ],
)
def test_names_show_neither_credentials_nor_queries(url: str, name: str) -> None:
    assert names(url) == [name]


@pytest.mark.parametrize(
    "entry",
    [
        "s3://secret/",
        "file:///secret",
        "http://",
        "http:///secret",
        "http://secret:secret@",
        "http://secret:99999/",
        "http://secret:secret:1/",
        "http://[secret/",
        "http://host/#secret",
        "http://host/#",
        "http://host/#secret=secret",
        "http://host/#casing=secret",
        "http://host/#casing=lower;absent=secret",
        "http://host/#casing=lower,casing=upper",
        "http://host/#casing=lower,secret=1",
        "http://me:se#cret=secret@host/",
        "http://me:secret@host/#absent=secret",
        "/srv/other#secret=1",
        "/srv/other#casing=secret",
        "/srv/other#absent=403",
    ],
)
def test_an_invalid_entry_is_reported_by_position(entry: str) -> None:
    with pytest.raises(InvalidSupplierError, match=r"^supplier 2 ") as caught:
        parse_suppliers(f"/srv/symbols,{entry}")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (
            "http://host#casng=lower",
            "has an unknown option; a URL takes casing=default|lower|upper, ",
        ),
        (
            "http://host#casing=any",
            "has an unknown value of casing; a URL takes casing=default|lower|upper, ",
        ),
        (
            "http://host#lower",
            f"has a fragment that is not an option; {URL_OPTIONS}; write a `#` of the URL as %23",
        ),
        ("http://host#absent=403,absent=403", "has the option absent twice"),
        (
            "/srv/a#absent=403",
            "has an unknown option; a directory takes casing=default|lower|upper|any",
        ),
        (
            "/srv/a#casing=mixed",
            "has an unknown value of casing; a directory takes casing=default|lower|upper|any",
        ),
    ],
)
def test_an_invalid_option_is_reported_with_the_valid_ones(entry: str, complaint: str) -> None:
    with pytest.raises(InvalidSupplierError) as caught:
        parse_suppliers(f"/srv/symbols#casing=any, {entry}")
    assert str(caught.value).startswith(f"supplier 2 {complaint}")


def test_options_are_not_part_of_a_name() -> None:
    listed = "http://me:secret@host/a?b#casing=lower,absent=403,/srv/c#/d#casing=any,relative"
    assert names(listed) == ["host/a", "/srv/c#/d", "relative"]


def test_options_reach_their_supplier(symbol_server: SymbolServer, module_id: ModuleId) -> None:
    symbol_server.put(module_id, TEXT, Casing.LOWER)
    url = symbol_server.url
    listed = f"{url}#casing=lower,{url},{symbol_server.folder}#casing=lower,{symbol_server.folder}"
    spelt, default, spelt_directory, default_directory = parse_suppliers(listed)
    for supplier in (spelt, spelt_directory):
        with supplier.fetch(AskedModule(module_id)) as stream:
            assert b"".join(stream) == TEXT
    for supplier in (default, default_directory):
        with pytest.raises(MissingSymbolFileError), supplier.fetch(AskedModule(module_id)):
            pass


def test_headers_apply_regardless_of_options(
    symbol_server: SymbolServer, module_id: ModuleId
) -> None:
    headers = parse_headers(f"{symbol_server.url} X-Api-Key: key")
    symbol_server.put(module_id, TEXT)
    (supplier,) = parse_suppliers(f"{symbol_server.url}#absent=403", headers=headers)
    with supplier.fetch(AskedModule(module_id)) as stream:
        assert b"".join(stream) == TEXT
    assert symbol_server.gets[0].headers["X-Api-Key"] == "key"
