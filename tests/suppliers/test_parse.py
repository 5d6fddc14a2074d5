"""The setting that lists the suppliers."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from symbolon_server.suppliers.contents.errors import MissingSymbolFileError
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.options import URL_OPTIONS, Casing
from symbolon_server.suppliers.parse import (
    Entry,
    InvalidSupplierError,
    parse_suppliers,
    split_entries,
)
from symbolon_server.suppliers.web.headers import parse_headers
from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer
from tests.suppliers.asking import TEXT, opened


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
        "gs://secret/",
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


@pytest.mark.parametrize("text", ["https://a,casing=lower", "/srv/a, Absent = 403", "layout=ssqp"])
def test_an_option_without_an_entry_is_no_directory(text: str) -> None:
    with pytest.raises(InvalidSupplierError, match="is an option without an entry: the first "):
        parse_suppliers(text)
    assert parse_suppliers("./casing=lower")


def test_options_are_not_part_of_a_name() -> None:
    listed = "http://me:secret@host/a?b#casing=lower,absent=403,/srv/c#/d#casing=any,relative"
    assert names(listed) == ["host/a", "/srv/c#/d", "relative"]


def test_options_reach_their_supplier(symbol_server: SymbolServer, module_id: ModuleId) -> None:
    symbol_server.put(module_id, TEXT, Casing.LOWER)
    url = symbol_server.url
    listed = f"{url}#casing=lower,{url},{symbol_server.folder}#casing=lower,{symbol_server.folder}"
    spelt, default, spelt_directory, default_directory = parse_suppliers(listed)
    for supplier in (spelt, spelt_directory):
        with opened(supplier, AskedModule(module_id)) as stream:
            assert b"".join(stream) == TEXT
    for supplier in (default, default_directory):
        with pytest.raises(MissingSymbolFileError), opened(supplier, AskedModule(module_id)):
            pass


def test_headers_apply_regardless_of_options(
    symbol_server: SymbolServer, module_id: ModuleId
) -> None:
    headers = parse_headers(f"{symbol_server.url} X-Api-Key: key")
    symbol_server.put(module_id, TEXT)
    (supplier,) = parse_suppliers(f"{symbol_server.url}#absent=403", headers=headers)
    with opened(supplier, AskedModule(module_id)) as stream:
        assert b"".join(stream) == TEXT
    assert symbol_server.gets[0].headers["X-Api-Key"] == "key"


BLANKS = st.sampled_from(["", " ", "  ", "\t"])
NAMES = st.builds(str.__add__, st.sampled_from("az"), st.text("az09_-", max_size=4))
VALUES = st.text("az09._-", max_size=4)
OPTIONS = st.lists(st.tuples(NAMES, VALUES), max_size=3).map(tuple)
URLS = st.tuples(
    st.sampled_from(["http://", "https://", "http://me:se%23cret@"]),
    st.sampled_from(["a", "a.b", "a:80"]),
    st.lists(st.text("az%=", max_size=3).map("/{}".format), max_size=2).map("".join),
    st.sampled_from(["", "?sig=", "?sig=a/b&c=d"]),
).map("".join)
DIRECTORIES = st.builds(
    "{}{}/".format, st.sampled_from(["/", "./", "~/"]), st.text("aZ0 #=%._-", max_size=8)
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, list[Entry]]:
    """Return a setting with random blanks and empty parts, and its entries."""
    entries = draw(
        st.lists(st.builds(Entry, location=URLS | DIRECTORIES, options=OPTIONS), max_size=4)
    )
    parts = []
    for entry in entries:
        options = [
            f"{draw(BLANKS)}{name}{draw(BLANKS)}={draw(BLANKS)}{value}"
            for name, value in entry.options
        ]
        parts.append(entry.location + "".join(f"{draw(BLANKS)}#{text}" for text in options[:1]))
        parts += options[1:]
    blanks = [f"{draw(BLANKS)}{part}{draw(BLANKS)}" for part in parts]
    return draw(st.sampled_from([",", ",,", ", ,"])).join(blanks), entries


@given(written())
@example(("", []))
@example(("/srv/c#/,./b=c", [Entry("/srv/c#/"), Entry("./b=c")]))
def test_entries_survive_a_round_trip(setting: tuple[str, list[Entry]]) -> None:
    text, entries = setting
    assert split_entries(text) == entries


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (
            "https://a#casing=lower,absent=403,https://b",
            [Entry("https://a", (("casing", "lower"), ("absent", "403"))), Entry("https://b")],
        ),
        (
            "https://a # Casing = LOWER , absent=403 ,, /srv/b",
            [Entry("https://a", (("casing", "lower"), ("absent", "403"))), Entry("/srv/b")],
        ),
        ("https://a,casing=lower", [Entry("https://a"), Entry("casing=lower")]),
        ("/srv/a#casing=any,./b=c", [Entry("/srv/a", (("casing", "any"),)), Entry("./b=c")]),
        ("/srv/c#", [Entry("/srv/c#")]),
        ("/srv/c#/d#x", [Entry("/srv/c#/d#x")]),
        ("/srv/c#/d#x=y", [Entry("/srv/c#/d", (("x", "y"),))]),
        ("/srv/d#x=y/", [Entry("/srv/d#x=y/")]),
        ("/srv/d#x=y/#casing=any", [Entry("/srv/d#x=y/", (("casing", "any"),))]),
        ("#casing=any", [Entry("#casing=any")]),
        ("https://a#", [Entry("https://a", is_bad=True)]),
        ("https://a#b", [Entry("https://a", is_bad=True)]),
        ("https://a#b#casing=any", [Entry("https://a", is_bad=True)]),
        ("https://a?x=1#casing=any", [Entry("https://a?x=1", (("casing", "any"),))]),
    ],
)
def test_where_options_begin(text: str, entries: list[Entry]) -> None:
    assert split_entries(text) == entries


@given(st.text(alphabet="ab/:#=,. ~?@1"))
def test_every_part_of_any_text_is_an_entry_or_an_option(text: str) -> None:
    entries = split_entries(text)
    assert all(entry.location and entry.location == entry.location.strip() for entry in entries)
    parts = [part for part in text.split(",") if part.strip()]
    assert sum(len(entry.options) or 1 for entry in entries) == len(parts)
