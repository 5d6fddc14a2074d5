"""Symbol files that are too large or truncated."""

import gzip
from collections.abc import Callable

import pytest
import zstandard

from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import MIB
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, fetch, opened
from tests.suppliers.conftest import MakeSupplier

COMPRESSIONS = [
    pytest.param(gzip.compress, id="gzip"),
    pytest.param(zstandard.compress, id="zstd"),
]


def test_a_too_large_content_length_is_refused_before_the_body(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.put(module_id, TEXT)

    with pytest.raises(BrokenSymbolFileError, match=r"^is larger than 64 bytes$"):
        opened(make_supplier(max_sent_bytes=64), AskedModule(module_id)).__enter__()


def test_an_endless_body_ends_at_the_limit(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.ENDLESS))

    with pytest.raises(BrokenSymbolFileError, match=r"^is larger than 3 MiB$"):
        fetch(make_supplier(max_sent_bytes=3 * MIB), module_id)


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
def test_a_content_length_of_thousands_of_digits_is_refused(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    length: str,
) -> None:
    symbol_server.answer(
        ALL_PATHS, Answer(headers={"Content-Length": length}, ending=Ending.CLOSED)
    )

    with pytest.raises(BrokenSymbolFileError, match=r"^is larger than 2 GiB$"):
        fetch(make_supplier(), module_id)


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_a_decompression_bomb_stops_at_the_limit(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    pack: Callable[[bytes], bytes],
) -> None:
    symbol_server.put(module_id, pack(bytes(64 * MIB)))

    with (
        opened(make_supplier(max_unpacked_bytes=8 * MIB), AskedModule(module_id)) as stream,
        pytest.raises(BrokenSymbolFileError, match=r"^expands to more than 8 MiB$"),
    ):
        for _ in stream:
            pass
    assert stream.fetched_bytes < MIB


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.CHUNKED_CUT])
@pytest.mark.parametrize("body", [TEXT, TEXT * 10_000, gzip.compress(TEXT)])
def test_a_truncated_body_is_unavailable(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    ending: Ending,
    body: bytes,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(body, ending=ending))

    with pytest.raises(UnavailableSymbolFileError, match=r"^the connection was lost"):
        fetch(make_supplier(), module_id)


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_a_file_that_was_stored_truncated_is_broken(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    pack: Callable[[bytes], bytes],
) -> None:
    symbol_server.put(module_id, pack(TEXT)[:-5])

    with pytest.raises(BrokenSymbolFileError, match=r"is truncated$"):
        fetch(make_supplier(), module_id)


def test_a_truncated_file_is_unavailable_if_only_closing_marks_its_end(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    cut = gzip.compress(TEXT)[:-5]
    symbol_server.answer(ALL_PATHS, Answer(cut, ending=Ending.CLOSED))

    with pytest.raises(UnavailableSymbolFileError, match=r"or the connection was lost$"):
        fetch(make_supplier(), module_id)
