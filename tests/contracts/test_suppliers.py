"""The contract in `suppliers/contents/supplier.py`, for every supplier."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError, MissingSymbolFileError
from symbolon_server.suppliers.contents.limits import MIB, FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.layouts.layout import symbol_file_parts
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer, symbol_server
from tests.suppliers.asking import opened

__all__ = ["symbol_server"]

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
ODD_NAME = ModuleId.parse("a+b %2e?[é]#.so", "0123456789ABCDEF0123456789ABCDEF1")
TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n" * 40_000
LIMITS = FetchLimits(max_sent_bytes=4 * MIB, max_unpacked_bytes=4 * MIB)


class _Made(NamedTuple):
    """A supplier under test, by its setting; the name is shown in the test's id."""

    name: str
    setting: Callable[[SymbolServer], str]


def _with_memory(server: SymbolServer) -> str:
    file = server.folder.with_name("sources.toml")
    file.write_text(f'[[source]]\nlocation = "{server.url}"\nretry_missing = false')
    return str(file)


SUPPLIERS = [
    _Made("directory", lambda server: str(server.folder)),
    _Made("directory in any case", lambda server: f"{server.folder}#casing=any"),
    _Made("http with a memory of misses", _with_memory),
    _Made("http", lambda server: server.url.replace("//", "//anna:secret@") + "?token=secret"),
]


@pytest.fixture(params=SUPPLIERS, ids=[made.name for made in SUPPLIERS])
def supplier(request: pytest.FixtureRequest, symbol_server: SymbolServer) -> Supplier:
    made: _Made = request.param
    symbol_server.folder.mkdir(exist_ok=True)
    (only,) = parse_suppliers(made.setting(symbol_server), LIMITS)
    return only


def fetch(supplier: Supplier, module_id: ModuleId) -> list[bytes]:
    with opened(supplier, AskedModule(module_id)) as stream:
        return list(stream)


class TestEverySupplier:
    def test_a_symbol_file_comes_in_pieces_of_about_a_mib(
        self, supplier: Supplier, symbol_server: SymbolServer
    ) -> None:
        symbol_server.put(XUL, TEXT)
        pieces = fetch(supplier, XUL)
        assert b"".join(pieces) == TEXT
        assert all(MIB <= len(piece) < 3 * MIB for piece in pieces[:-1])

    @pytest.mark.parametrize(
        "pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"]
    )
    def test_a_packed_symbol_file_is_unpacked_and_counted_as_sent(
        self, supplier: Supplier, symbol_server: SymbolServer, pack: Callable[[bytes], bytes]
    ) -> None:
        packed = pack(TEXT)
        symbol_server.put(XUL, packed)
        with opened(supplier, AskedModule(XUL)) as stream:
            assert b"".join(stream) == TEXT
        assert stream.fetched_bytes == len(packed)

    def test_an_absent_symbol_file_is_missing(self, supplier: Supplier) -> None:
        with pytest.raises(MissingSymbolFileError):
            fetch(supplier, XUL)

    def test_a_debug_file_may_contain_any_character(
        self, supplier: Supplier, symbol_server: SymbolServer
    ) -> None:
        symbol_server.put(ODD_NAME, b"text")
        assert b"".join(fetch(supplier, ODD_NAME)) == b"text"

    def test_a_truncated_packed_symbol_file_is_broken(
        self, supplier: Supplier, symbol_server: SymbolServer
    ) -> None:
        symbol_server.put(XUL, gzip.compress(TEXT)[:-20])
        with pytest.raises(BrokenSymbolFileError):
            fetch(supplier, XUL)

    def test_more_text_than_the_limit_is_broken(
        self, supplier: Supplier, symbol_server: SymbolServer
    ) -> None:
        symbol_server.put(XUL, gzip.compress(TEXT * 2))
        with pytest.raises(BrokenSymbolFileError, match="4 MiB"):
            fetch(supplier, XUL)

    def test_a_supplier_is_reusable_after_an_early_exit(
        self, supplier: Supplier, symbol_server: SymbolServer
    ) -> None:
        symbol_server.put(XUL, TEXT)
        with opened(supplier, AskedModule(XUL)) as stream:
            next(stream)
        assert b"".join(fetch(supplier, XUL)) == TEXT

    def test_its_name_is_its_location_without_credentials(
        self, supplier: Supplier, symbol_server: SymbolServer
    ) -> None:
        assert supplier.name.startswith((str(symbol_server.folder), "127.0.0.1"))
        assert "secret" not in supplier.name


def test_the_layout_is_that_of_the_symbol_server(symbol_server: SymbolServer) -> None:
    """The tests above would miss a wrong path that both sides agree on."""
    symbol_server.put(XUL, b"text")
    expected = Path("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2", "xul.sym")
    assert (symbol_server.folder / expected).read_bytes() == b"text"
    assert symbol_file_parts(XUL) == expected.parts


POINTED = AskedModule(ModuleId.parse("crash.pdb", "3249D99D0C4049318610F4E4FB0B69361"))


@pytest.mark.parametrize("layout", ["symstore", "symstore_index2", "ssqp"])
@pytest.mark.parametrize("is_directory", [True, False])
def test_a_pointer_file_is_told_and_never_followed(
    symbol_server: SymbolServer, layout: str, is_directory: bool
) -> None:
    where = symbol_server.folder if is_directory else symbol_server.url
    (supplier,) = parse_suppliers(f"{where}#layout={layout}")
    plain, packed, pointer = supplier.candidates(POINTED)
    file = symbol_server.folder.joinpath(*pointer.parts)
    file.parent.mkdir(parents=True)
    file.write_text("PATH:/etc/passwd")
    for candidate, complaint in (
        (plain, "has no such file"),
        (packed, "has no such file"),
        (pointer, "has only a file.ptr, which is not followed"),
    ):
        with (
            pytest.raises(MissingSymbolFileError, match=f"^{complaint}$"),
            supplier.fetch(candidate),
        ):
            pass
