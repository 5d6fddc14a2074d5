"""A sources file, and what comes of each of its keys."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from symbolon_server.suppliers.buckets import BUCKET_KEYS
from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import InvalidSupplierError, parse_settings, parse_suppliers
from symbolon_server.suppliers.source import Source
from symbolon_server.suppliers.sources_file import SOURCE_KEYS
from symbolon_server.suppliers.web.headers import parse_headers
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, SymbolServer
from tests.suppliers.asking import TEXT, fetch, opened

PE = AskedModule(
    ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2"), "xul.dll", "5AB380779000"
)


def write(folder: Path, text: str) -> str:
    file = folder / "sources.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def sources(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> list[Source]:
    return parse_settings(write(folder, text), environment=environment or {})


def only_source(folder: Path, keys: str, environment: Mapping[str, str] | None = None) -> Source:
    (source,) = sources(folder, f"[[source]]\n{keys}", environment)
    return source


def supplier_of(folder: Path, keys: str, environment: Mapping[str, str] | None = None) -> Supplier:
    return only_source(folder, keys, environment).make()


def paths(supplier: Supplier, asked: AskedModule = PE) -> list[str]:
    return [str(candidate) for candidate in supplier.candidates(asked)]


def complaint_about(folder: Path, text: str) -> str:
    with pytest.raises(InvalidSupplierError) as caught:
        sources(folder, text, {"SPACED": "hunter2 hunter2"})
    assert "hunter2" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/sources.toml: ")


def test_a_file_among_the_suppliers_stands_for_its_sources(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        [[source]]
        location = "symbols"
        [[source]]
        location = "https://symbols.example.org/a"
        """,
    )
    names = [supplier.name for supplier in parse_suppliers(f"/srv/first,{file},/srv/last")]
    assert names == ["/srv/first", f"{tmp_path}/symbols", "symbols.example.org/a", "/srv/last"]


def test_the_paths_are_those_of_the_layout_and_its_options(tmp_path: Path) -> None:
    supplier = supplier_of(
        tmp_path,
        """
        location = "https://symbols.example.org"
        layout = "symstore"
        casing = "lower"
        files = ["debug"]
        compressed = "first"
        """,
    )
    folder = "xul.pdb/44e4ec8c2f41492b9369d6b9a059577c2"
    assert paths(supplier) == [f"{folder}/xul.pd_", f"{folder}/xul.pdb", f"{folder}/file.ptr"]


def test_the_same_options_stand_in_a_fragment() -> None:
    (supplier,) = parse_suppliers("/srv/symbols#layout=native,files=code+symbol,compressed=never")
    assert paths(supplier) == [
        "xul.dll/5AB380779000/xul.dll",
        "xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym",
    ]


@pytest.mark.parametrize(
    ("patterns", "is_requested"),
    [
        ('only = ["*.PDB"]', True),
        ('only = ["xul.dll", "*.so"]', True),
        ('only = ["*.so"]', False),
        ('except = ["xul.*"]', False),
        ('only = ["*.pdb"]\nexcept = ["*.dll"]', False),
        ('except = ["*.so"]', True),
    ],
)
def test_patterns_choose_modules_by_the_name_of_either_file(
    tmp_path: Path, patterns: str, is_requested: bool
) -> None:
    supplier = supplier_of(tmp_path, f'location = "/srv/symbols"\n{patterns}')
    assert bool(paths(supplier)) == is_requested
    expected = "" if is_requested else "is not asked for modules of such names"
    assert supplier.lacks(PE) == expected


def test_files_of_no_use_for_a_module_are_told(tmp_path: Path) -> None:
    supplier = supplier_of(tmp_path, 'location = "/srv"\nlayout = "symstore"\nfiles = ["symbol"]')
    assert paths(supplier) == []
    assert supplier.lacks(PE) == "has no files of such modules in its layout"


def test_a_403_is_absent_if_the_source_says_so(tmp_path: Path, symbol_server: SymbolServer) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=403))
    supplier = supplier_of(tmp_path, f'location = "{symbol_server.url}"\nabsent = [403]')
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file \(HTTP 403\)$"):
        fetch(supplier, PE.module_id)


def test_limits_apply_to_their_source_alone(tmp_path: Path, symbol_server: SymbolServer) -> None:
    symbol_server.put(PE.module_id, TEXT)
    location = f'location = "{symbol_server.url}"\n'
    small, large = sources(
        tmp_path, f"[[source]]\n{location}max_bytes = 10\n[[source]]\n{location}total_seconds = 2.5"
    )
    with pytest.raises(BrokenSymbolFileError, match="is larger than 10 bytes"):
        fetch(small.make(), PE.module_id)
    assert fetch(large.make(), PE.module_id) == TEXT
    assert large.limits == FetchLimits(total_seconds=2.5)


def test_headers_and_secrets_reach_the_server_and_nothing_else(
    tmp_path: Path, symbol_server: SymbolServer
) -> None:
    symbol_server.put(PE.module_id, TEXT)
    (tmp_path / "secret.headers").write_text("# a key\n\nX-Api-Key: hunter2\n")
    (tmp_path / "signature").write_text("?sig=hunter2%2B\n")
    source = only_source(
        tmp_path,
        f"""
        location = "{symbol_server.url}"
        headers = {{ X-Client = "crashes" }}
        headers_file = "secret.headers"
        token_env = "STORE_TOKEN"
        query_file = "signature"
        """,
        {"STORE_TOKEN": "hunter2"},
    )
    assert fetch(source.make(), PE.module_id) == TEXT
    (get,) = symbol_server.gets
    assert get.path.endswith("?sig=hunter2%2B")
    assert get.headers["X-Client"] == "crashes"
    assert get.headers["X-Api-Key"] == "hunter2"
    assert get.headers["Authorization"] == "Bearer hunter2"
    assert source.secret_files == (tmp_path / "secret.headers", tmp_path / "signature")
    assert "hunter2" not in f"{source!r} {source.make().name}"


def test_the_file_of_headers_of_the_settings_applies_to_its_sources(
    tmp_path: Path, symbol_server: SymbolServer
) -> None:
    symbol_server.put(PE.module_id, TEXT)
    headers = parse_headers(f"{symbol_server.url} X-Api-Key: key")
    file = write(tmp_path, f'[[source]]\nlocation = "{symbol_server.url}"')
    (supplier,) = parse_suppliers(file, headers=headers)
    with opened(supplier, PE) as stream:
        assert b"".join(stream) == TEXT
    assert symbol_server.gets[0].headers["X-Api-Key"] == "key"


@pytest.mark.parametrize("base", ["https://d.example/base", "https://d.example/base/buildid/"])
def test_a_debuginfod_url_may_end_in_buildid(tmp_path: Path, base: str) -> None:
    supplier = supplier_of(tmp_path, f'location = "{base}"\nlayout = "debuginfod"')
    assert supplier.name == "d.example/base"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no table [[source]]"),
        ("[source]\nlocation = '/a'", "has no table [[source]]"),
        ("source = [1]", "has no table [[source]]"),
        ("[[sources]]\nlocation = '/a'", "unknown key 'sources': is source meant?"),
        ("[[source]]\nlayout = 'native'", "source 1: has no location"),
        (
            "[[source]]\nlocation = '/a'\n[[source]]\nlocaton = '/b'",
            "source 2: unknown key 'locaton': is location meant?",
        ),
        (
            "[[source]]\nlocation = 'ftp://a'",
            "source 1: its location is neither a directory nor an http, https or s3 URL",
        ),
        (
            "[[source]]\nlocation = 'https://me:hunter2@a'",
            (
                "source 1: its location must not have credentials or a query: use headers_file or "
                "token_env, and query_env"
            ),
        ),
        (
            "[[source]]\nlocation = 'https://a/?sig=hunter2'",
            (
                "source 1: its location must not have credentials or a query: use headers_file or "
                "token_env, and query_env"
            ),
        ),
        ("[[source]]\nlocation = '/a'\nretry_missing = 1", "must be true (the default) or false"),
        ("[[source]]\nlocation = 7", "source 1: location must be a text"),
        ("[[source]]\nlocation = '/a'\nonly = '*'", "source 1: only must be a list of texts"),
        ("[[source]]\nlocation = '/a'\nmax_bytes = 0", "a number of bytes above 0"),
        ("[[source]]\nlocation = 'http://a'\nabsent = [404]", "source 1: absent must be [403]"),
        ("[[source]]\nlocation = 'http://a'\nread_seconds = true", "number of seconds above 0"),
        (
            "[[source]]\nlocation = '/a'\ntoken_env = 'A'",
            "source 1: token_env is for URLs, and its location is a directory",
        ),
        (
            "[[source]]\nlocation = '/a'\nlayout = 'symstor'",
            "source 1: has an unknown value of layout; a directory takes",
        ),
        ("[[source]]\nlocation = '/a'\nfiles = ['pdb']", "source 1: has an unknown value of files"),
        (
            "[[source]]\nlocation = 'http://a'\ncasing = 'any'",
            "source 1: has an unknown value of casing; a URL takes casing=default|lower|upper,",
        ),
        (
            "[[source]]\nlocation = 'http://a'\nheaders = { Authorization = 'hunter2' }",
            "source 1: the header Authorization may be a secret: put it in headers_file",
        ),
        (
            "[[source]]\nlocation = 'http://a'\nheaders = { 'X A' = 'hunter2' }",
            "source 1: the header X A is not one that HTTP allows",
        ),
        (
            "[[source]]\nlocation = 'http://a'\ntoken_env = 'NO_SUCH'",
            "source 1: token_env names the variable NO_SUCH, which is not set",
        ),
        (
            "[[source]]\nlocation = 'http://a'\ntoken_env = 'SPACED'",
            "the variable SPACED (token_env) must contain one word of ASCII characters",
        ),
        (
            "[[source]]\nlocation = 'http://a'\ntoken_env = 'A'\ntoken_file = 'b'",
            "source 1: has both token_env and token_file",
        ),
        (
            "[[source]]\nlocation = 'http://a'\ntoken_file = 'no-such'",
            "no-such (token_file): No such file or directory",
        ),
        (
            "[[source]]\nlocation = '~no-such-user/a'",
            "source 1: its location begins with the home of an unknown user",
        ),
        ('[[source]]\nlocation = "/a\\u0000b"', "source 1: its location contains a zero byte"),
        (
            "[[source]]\nlocation = 'http://a'\ntoken_file = '~no-such-user/a'",
            "source 1: the file '~no-such-user/a' begins with the home of an unknown user",
        ),
        (
            '[[source]]\nlocation = "http://a"\nquery_file = "a\\u0000b"',
            r"source 1: the file 'a\x00b' contains a zero byte",
        ),
        (
            "[[source]]\nlocation = 'sources.toml'",
            "source 1: its location is a sources file: list it in the setting",
        ),
        ("a = " + "[" * 5000, "is not TOML of sources: it is nested too deep"),
        ("[[source]\n", "is not TOML: Expected ']]' at the end of an array declaration (at line 1"),
    ],
)
def test_a_mistake_is_refused_with_its_position(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in complaint_about(tmp_path, text)


@pytest.mark.parametrize("content", ["hunter2", "X-Api-Key hunter2"])
def test_an_unusable_file_of_headers_is_refused_without_its_content(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "bad.headers").write_text(content)
    said = complaint_about(
        tmp_path, "[[source]]\nlocation = 'http://a'\nheaders_file='bad.headers'"
    )
    assert said.endswith("bad.headers (headers_file) is not `name: value`")


def test_a_sources_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSupplierError, match=r"cannot read .*no-such\.toml: No such file"):
        parse_suppliers(f"{tmp_path}/no-such.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidSupplierError, match=r"binary\.toml is not a text file$"):
        parse_suppliers(f"{tmp_path}/binary.toml")


@pytest.mark.parametrize("path", ["~no-such-user/a", "~no-such-user/a.toml"])
def test_a_path_below_an_unknown_home_is_refused(path: str) -> None:
    complaint = "^supplier 2 begins with the home of an unknown user$"
    with pytest.raises(InvalidSupplierError, match=complaint):
        parse_suppliers(f"/a, {path}")


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    source = only_source(tmp_path, "location = '/a'")
    (tmp_path / "sources.toml").write_text("[[source]]\nlocation = '/a'", encoding="utf-8-sig")
    assert parse_settings(f"{tmp_path}/sources.toml") == [source]


def test_a_sources_file_takes_no_options() -> None:
    with pytest.raises(InvalidSupplierError, match="is a sources file, whose options are in it"):
        parse_suppliers("sources.toml#casing=lower")


def test_every_key_is_valid_for_some_source(tmp_path: Path) -> None:
    for name in ("a.headers", "a.token", "a.query"):
        (tmp_path / name).write_text("X-A: b" if name == "a.headers" else "word")
    source = only_source(
        tmp_path,
        """
        location = "http://a"
        layout = "native"
        casing = "upper"
        files = ["debug", "code"]
        compressed = "never"
        only = ["a"]
        except = ["b"]
        absent = [403]
        retry_missing = false
        headers = { A = "b" }
        headers_file = "a.headers"
        token_env = "A"
        query_env = "A"
        connect_seconds = 1
        read_seconds = 2
        total_seconds = 3
        max_bytes = 4
        """,
        {"A": "word"},
    )
    assert source.limits == FetchLimits(1, 2, total_seconds=3, max_sent_bytes=4)
    assert isinstance(source.where, ServerUrl)
    others = {"token_file", "query_file", *BUCKET_KEYS}
    assert {*SOURCE_KEYS} - others <= set((tmp_path / "sources.toml").read_text().split())
