"""Undoes gzip and zstd, recognised by their first bytes, piece by piece."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

import zstandard

from symbolon_server.suppliers.errors import BrokenSymbolFileError, CutSymbolFileError
from symbolon_server.suppliers.limits import MIB, describe_bytes

PIECE_BYTES = MIB
"""Unpacked pieces have at least this size, but for the last one."""

_MAGIC_BYTES = 4
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"
"""What follows 0x50 to 0x5f; pzstd begins its files with a skippable frame."""

_GZIP_WINDOW_BITS = 31
"""The largest window, with gzip's header and checksum."""

_ZSTD_MAX_WINDOW_BYTES = 128 * MIB
"""What `zstd --long` makes at its default; more must be allowed explicitly there, too."""

_ZSTD_SLICE_BYTES = 512
"""Fed to the decoder at once. Four bytes of zstd can stand for 128 KiB, and the decoder
gives all that its input stands for, so this bounds one step of a bomb to 16 MiB."""


def unpack(pieces: Iterable[bytes], max_bytes: int, layers: int = 1) -> Iterator[bytes]:
    """Yield the text in `pieces`, with at most `layers` compressions undone.

    Each layer is undone only if its first bytes say gzip or zstd, so plain text passes
    through. Several gzip members or zstd frames after each other are one text.

    Raises `CutSymbolFileError` where compressed bytes end in the middle, and
    `BrokenSymbolFileError` where they are damaged or hold more than `max_bytes`.
    """
    for _ in range(layers):
        pieces = _limit(_unpack_layer(pieces), max_bytes)
    return _join_pieces(_limit(pieces, max_bytes))


def _unpack_layer(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(pieces)
    start = b""
    for piece in rest:
        start += piece
        if len(start) >= _MAGIC_BYTES:
            break
    pieces = chain((start,), rest)
    if start.startswith(_GZIP_MAGIC):
        return _gunzip(pieces)
    if start.startswith(_ZSTD_MAGIC) or _is_skippable_frame(start):
        return _unzstd(pieces)
    return iter(pieces)


def _is_skippable_frame(start: bytes) -> bool:
    return start[1:_MAGIC_BYTES] == _ZSTD_SKIPPABLE_MAGIC and start[0] >> 4 == 5  # noqa: PLR2004 - part of the format


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    decoder = None
    for piece in pieces:
        packed = piece
        while packed:
            if decoder is None:
                # tar and some uploaders pad with zeros; gzip ignores them, too.
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                decoder = zlib.decompressobj(_GZIP_WINDOW_BITS)
            try:
                yield decoder.decompress(packed, PIECE_BYTES)
            except zlib.error:
                raise BrokenSymbolFileError("its gzip data is damaged") from None
            packed = decoder.unconsumed_tail
            if decoder.eof:
                packed = decoder.unused_data
                decoder = None
    _check_ended(decoder, "gzip")


def _unzstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW_BYTES)
    decoder = None
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_SLICE_BYTES):
            packed = piece[start : start + _ZSTD_SLICE_BYTES]
            while packed:
                decoder = decoder or decompressor.decompressobj()
                try:
                    yield decoder.decompress(packed)
                except zstandard.ZstdError:
                    raise BrokenSymbolFileError("its zstd data is damaged") from None
                packed = b""
                if decoder.eof:
                    packed = decoder.unused_data
                    decoder = None
    _check_ended(decoder, "zstd")


def _check_ended(decoder: object | None, compression: str) -> None:
    if decoder is not None:
        raise CutSymbolFileError(f"its {compression} data ends in the middle")


def _limit(pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    count = 0
    for piece in pieces:
        count += len(piece)
        if count > max_bytes:
            raise BrokenSymbolFileError(f"holds more than {describe_bytes(max_bytes)} unpacked")
        yield piece


def _join_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)
