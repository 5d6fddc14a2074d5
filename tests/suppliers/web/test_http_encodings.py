"""The encodings of a symbol server's responses."""

import gzip
from collections.abc import Callable

import pytest
import zstandard

from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.conftest import MakeSupplier
from tests.suppliers.contents.aws_framing import frame


def frame_packed(text: bytes) -> bytes:
    """Return an object of a store that kept the framing of a compressed upload."""
    return frame(gzip.compress(text), is_signed=False)


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


@pytest.mark.parametrize(
    "coding",
    [
        "aws-chunked",
        "aws-chunked,gzip",
        "gzip,aws-chunked",
        "AWS-Chunked, zstd",
        "br",
        "gzip, x, y",
    ],
)
@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, zstandard.compress, frame, frame_packed],
    ids=["plain", "gzip", "zstd", "framed", "gzip framed"],
)
def test_an_encoding_is_detected_by_content_whatever_the_header_says(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    coding: str,
    pack: Callable[[bytes], bytes],
) -> None:
    answer = Answer(pack(TEXT * 1000), headers={"Content-Encoding": coding})
    symbol_server.answer(ALL_PATHS, answer)

    assert fetch(make_supplier(), module_id) == TEXT * 1000


def test_framing_truncated_by_a_lost_connection_is_unavailable(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    cut = frame(TEXT)[:-100]
    answers = [Answer(cut, ending=ending) for ending in (Ending.WHOLE, Ending.CLOSED)]
    symbol_server.answer(ALL_PATHS, *answers)
    supplier = make_supplier()
    with pytest.raises(BrokenSymbolFileError, match="is truncated"):
        fetch(supplier, module_id)
    with pytest.raises(UnavailableSymbolFileError, match="or the connection was lost"):
        fetch(supplier, module_id)
