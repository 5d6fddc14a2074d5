"""The setting that lists the suppliers."""

from pathlib import Path

import pytest

from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.http import HttpSupplier
from symbolon_server.suppliers.parse import InvalidSupplierError, parse_suppliers


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
    ],
)
def test_an_entry_that_is_no_supplier_is_named_by_its_place(entry: str) -> None:
    with pytest.raises(InvalidSupplierError, match=r"^supplier 2 ") as caught:
        parse_suppliers(f"/srv/symbols,{entry}")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
