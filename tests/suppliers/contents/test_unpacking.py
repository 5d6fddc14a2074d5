"""Decompressing gzip, zlib, zstd and xz, whatever the pieces."""

import gzip
import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError, CutSymbolFileError
from symbolon_server.suppliers.contents.limits import GIB, MIB
from symbolon_server.suppliers.contents.unpacking import MAX_LAYERS, PIECE_BYTES, unpack
from symbolon_server.symbols.ground.unpacked_sizes import MAX_RATIO
from tests.suppliers.contents.aws_framing import frame

PACKS = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
}
COMPRESSIONS = [pytest.param(pack, id=name) for name, pack in PACKS.items()]

SKIPPABLE_FRAME = struct.pack("<II", 0x184D2A53, 5) + b"hello"

Pack = Callable[[bytes], bytes]


def unpack_all(*pieces: bytes, max_bytes: int = GIB) -> bytes:
    return b"".join(unpack(pieces, max_bytes))


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


@given(
    texts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    pack=st.sampled_from(list(PACKS.values())),
    size=st.integers(1, 5000),
)
def test_several_compressed_texts_are_one(texts: list[bytes], pack: Pack, size: int) -> None:
    texts = [b"MODULE", *texts]  # what begins as compressed data does is unpacked further
    packed = b"".join(pack(text) for text in texts)
    pieces = (packed[start : start + size] for start in range(0, len(packed), size))

    assert unpack_all(*pieces) == b"".join(texts)


@given(text=st.binary(max_size=100), size=st.integers(1, 10))
def test_uncompressed_text_passes_through(text: bytes, size: int) -> None:
    plain = b"MODULE" + text
    pieces = (plain[start : start + size] for start in range(0, len(plain), size))

    assert unpack_all(*pieces) == plain


@pytest.mark.parametrize("text", [b"", b"\x1f", b"\x28\xb5\x2f", b"P*M", b"MOD", b"x", b"\xfd7zXZ"])
def test_very_short_texts_pass_through(text: bytes) -> None:
    assert unpack_all(text) == text
    assert unpack_all(*single_bytes(text)) == text


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_a_truncation_anywhere_is_detected(pack: Pack) -> None:
    packed = pack(b"FUNC 1000 10 0 main\n" * 3)
    for length in range(6, len(packed)):
        with pytest.raises(CutSymbolFileError):
            unpack_all(packed[:length])


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_a_truncation_of_the_second_text_is_detected(pack: Pack) -> None:
    packed = pack(b"FUNC 1000 10 0 main\n")
    with pytest.raises(CutSymbolFileError):
        unpack_all(packed + packed[:-1])


def test_a_flipped_bit_in_gzip_is_detected_by_its_checksum() -> None:
    packed = bytearray(gzip.compress(bytes(range(256))))
    packed[100] ^= 4
    with pytest.raises(BrokenSymbolFileError, match=r"^its gzip data is damaged$"):
        unpack_all(bytes(packed))


def test_zeros_after_gzip_are_ignored() -> None:
    packed = gzip.compress(b"one") + bytes(1000) + gzip.compress(b"two") + bytes(10)
    assert unpack_all(packed) == b"onetwo"
    assert unpack_all(*single_bytes(packed)) == b"onetwo"


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_garbage_after_a_text_is_damage(pack: Pack) -> None:
    with pytest.raises(BrokenSymbolFileError, match="data is damaged"):
        unpack_all(pack(b"one") + b"garbage garbage")


def test_skippable_frames_of_zstd_are_skipped() -> None:
    packed = SKIPPABLE_FRAME + zstandard.compress(b"one") + SKIPPABLE_FRAME
    assert unpack_all(packed) == b"one"
    assert unpack_all(*single_bytes(packed)) == b"one"


@pytest.mark.parametrize("level", [0, 6, 9])
def test_every_level_of_xz_is_read(level: int) -> None:
    assert unpack_all(lzma.compress(b"one", preset=level | lzma.PRESET_EXTREME)) == b"one"


def test_an_xz_dictionary_of_more_than_its_memory_limit_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * MIB}]
    packed = lzma.compress(b"one", filters=filters)
    with pytest.raises(BrokenSymbolFileError, match=r"^its xz data is damaged$"):
        unpack_all(packed)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_every_level_of_zlib_is_read(level: int) -> None:
    assert unpack_all(zlib.compress(b"one", level)) == b"one"


def test_text_that_begins_like_zlib_in_its_first_byte_alone_is_text() -> None:
    assert unpack_all(b"xylophone") == b"xylophone"


def test_a_zstd_window_of_more_than_128_mib_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BrokenSymbolFileError, match=r"^its zstd data is damaged$"):
        unpack_all(compressor.compress(b"one") + compressor.flush())


@given(packs=st.lists(st.sampled_from([*PACKS.values(), frame])))
def test_layers_are_detected_by_their_first_bytes_up_to_a_limit(packs: list[Pack]) -> None:
    packed, layers = b"MODULE", [b"MODULE"]
    for pack in packs:
        packed = pack(packed)
        layers.append(packed)
    left = max(0, len(packs) - MAX_LAYERS)
    assert unpack_all(packed) == layers[left]


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_the_limit_is_the_largest_allowed_size(pack: Pack) -> None:
    assert unpack_all(pack(bytes(1000)), max_bytes=1000) == bytes(1000)
    with pytest.raises(BrokenSymbolFileError, match=r"^expands to more than 999 bytes$"):
        unpack_all(pack(bytes(1000)), max_bytes=999)


def test_plain_text_is_limited_too() -> None:
    with pytest.raises(BrokenSymbolFileError):
        unpack_all(b"MODULE", max_bytes=5)


@pytest.fixture
def few_free_bytes(monkeypatch: pytest.MonkeyPatch) -> int:
    free = MIB
    monkeypatch.setattr("symbolon_server.symbols.ground.unpacked_sizes.FREE_BYTES", free)
    return free


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_what_expands_out_of_proportion_is_refused(pack: Pack, few_free_bytes: int) -> None:
    assert len(unpack_all(pack(bytes(few_free_bytes)))) == few_free_bytes
    with pytest.raises(BrokenSymbolFileError, match=r"^expands to more than 100 times its size$"):
        unpack_all(pack(bytes(few_free_bytes + 1)))


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_several_layers_are_in_proportion_together(pack: Pack, few_free_bytes: int) -> None:
    inner = gzip.compress(bytes(3000)) * 400
    assert few_free_bytes < len(unpack_all(inner)) < MAX_RATIO * len(inner)
    with pytest.raises(BrokenSymbolFileError, match="more than 100 times its size"):
        unpack_all(pack(inner))


def test_what_is_not_packed_is_in_proportion(few_free_bytes: int) -> None:
    text = b"MODULE" + bytes(3 * few_free_bytes)
    assert unpack_all(text) == text
    assert unpack_all(frame(text)) == text


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_pieces_have_about_the_promised_size(pack: Pack) -> None:
    text = bytes(5 * PIECE_BYTES + 17)
    sizes = [len(piece) for piece in unpack([pack(text)], GIB)]

    assert sum(sizes) == len(text)
    assert all(size >= PIECE_BYTES for size in sizes[:-1])


@pytest.mark.parametrize("pack", COMPRESSIONS)
def test_a_decompression_bomb_takes_little_memory(pack: Pack) -> None:
    bomb = pack(bytes(64 * MIB))
    tracemalloc.start()
    with pytest.raises(BrokenSymbolFileError):
        for _ in unpack([bomb], 50 * MIB):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 40 * MIB
