"""What a symbol server packs its answers in."""

import gzip

import pytest
import zstandard

from symbolon_server.suppliers.errors import BrokenSymbolFileError
from symbolon_server.symbols.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.conftest import MakeSupplier


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("", gzip.compress(TEXT)),
        ("", zstandard.compress(TEXT)),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("GZip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("zstd", zstandard.compress(TEXT)),
        ("gzip", gzip.compress(zstandard.compress(TEXT))),
        ("gzip", gzip.compress(gzip.compress(TEXT))),
        ("zstd, gzip", gzip.compress(zstandard.compress(gzip.compress(TEXT)))),
        ("gzip", TEXT),
    ],
)
def test_the_encoding_and_the_file_s_own_compression_are_undone(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    coding: str,
    body: bytes,
) -> None:
    headers = {"Content-Encoding": coding}
    endings = (Ending.WHOLE, Ending.CHUNKED, Ending.CLOSED)
    answers = [Answer(body, headers=headers, ending=ending) for ending in endings]
    symbol_server.answer(ALL_PATHS, *answers)
    supplier = make_supplier()

    assert [fetch(supplier, module_id) for _ in endings] == [TEXT] * 3


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, br", "gzip, gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_broken(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    coding: str,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT, headers={"Content-Encoding": coding}))

    with pytest.raises(BrokenSymbolFileError, match="nobody asked for"):
        fetch(make_supplier(), module_id)
