"""Streaming decompression and removal of aws-chunked, detected by content."""

import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import zstandard

from symbolon_server.suppliers.contents.aws_chunks import FIRST_LINE_BYTES, is_framed, unframe
from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError, CutSymbolFileError
from symbolon_server.suppliers.contents.limits import MIB, describe_bytes
from symbolon_server.symbols.ground.unpacked_sizes import OUT_OF_PROPORTION, is_out_of_proportion

PIECE_BYTES = MIB
"""Unpacked pieces have at least this size, except for the last one."""

MAX_LAYERS = 4
"""The file's own compression, two applied by servers, and aws-chunked."""

_Undo = Callable[[Iterable[bytes]], Iterator[bytes]]

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"
"""Follows 0x50 to 0x5f; files of pzstd start with a skippable frame."""

_XZ_MAGIC = b"\xfd7zXZ\x00"
_ZLIB_FIRST_BYTE: Final = b"x"
_ZLIB_CHECK: Final = 31
"""A stream with the usual window of 32 KiB begins with this byte, and its first two bytes, as a
number, are a multiple of the check."""

_GZIP_WINDOW_BITS = 31
"""The largest window, with gzip's header and checksum."""

_ZLIB_WINDOW_BITS = 15
"""The largest window, with zlib's header and checksum."""

_XZ_MAX_MEMORY_BYTES = 128 * MIB
"""`xz -9` needs 65 MiB to decompress."""

_ZSTD_MAX_WINDOW_BYTES = 128 * MIB
"""The default of `zstd --long`; zstd needs an explicit option for more, too."""

_ZSTD_SLICE_BYTES = 512
"""Fed to the decoder at once. Four bytes of zstd may expand to 128 KiB, and the decoder returns all
of its input expanded, so this bounds one step of a decompression bomb to 16 MiB."""


class _Packing(NamedTuple):
    """How one kind of compression is undone."""

    name: str
    start: Callable[[], Any]
    """Makes a decoder like zlib's, for one stream."""

    error: type[Exception]
    most: tuple[int, ...] = (PIECE_BYTES,)
    """How much one step may return, where the decoder has such a limit."""

    padding: bytes = b"\0"
    """May stand before a stream: tar and some uploaders pad gzip, as xz may be padded."""


_GZIP = _Packing("gzip", partial(zlib.decompressobj, _GZIP_WINDOW_BITS), zlib.error)
_ZLIB = _Packing("zlib", partial(zlib.decompressobj, _ZLIB_WINDOW_BITS), zlib.error)
_XZ = _Packing(
    "xz", partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MAX_MEMORY_BYTES), lzma.LZMAError
)


def unpack(pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yield the text in `pieces`, after removing up to `MAX_LAYERS` of compression and framing.

    Each layer is detected by its first bytes, whatever a server's headers say; plain text passes
    through. Consecutive gzip members or zstd frames are one text.

    Raises `CutSymbolFileError` if compressed data is truncated, and `BrokenSymbolFileError` if it
    is damaged or expands to more than `max_bytes`, or out of proportion to what came until then.
    """
    sent = _Sent(pieces)
    yield from _join_pieces(_limit(_peel(sent, max_bytes), max_bytes, sent))


class _Sent(Iterator[bytes]):
    """The pieces as sent, with their number of bytes so far."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.count = 0

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.count += len(piece)
        return piece


def _peel(sent: _Sent, max_bytes: int) -> Iterable[bytes]:
    pieces: Iterable[bytes] = sent
    for _ in range(MAX_LAYERS):
        start, pieces = _look_at_start(pieces)
        undo = _find_undo(start)
        if undo is None:
            break
        pieces = _limit(undo(pieces), max_bytes, sent)
    return pieces


def _look_at_start(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, and an iterator over all of them."""
    rest = iter(pieces)
    held: list[bytes] = []
    for piece in rest:
        held.append(piece)
        if sum(map(len, held)) >= FIRST_LINE_BYTES:
            break
    return b"".join(held)[:FIRST_LINE_BYTES], _give_back(held, rest)


def _give_back(held: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the held pieces, then the rest; keep no reference: a piece may have 16 MiB."""
    while held:
        yield held.pop(0)
    yield from rest


def _find_undo(start: bytes) -> _Undo | None:
    if start.startswith(_GZIP_MAGIC):
        return partial(_decompress, _GZIP)
    if _is_zlib(start):
        return partial(_decompress, _ZLIB)
    if start.startswith(_XZ_MAGIC):
        return partial(_decompress, _XZ)
    if start.startswith(_ZSTD_MAGIC) or _is_skippable_frame(start):
        return _unzstd
    return unframe if is_framed(start) else None


def _is_skippable_frame(start: bytes) -> bool:
    return start[1:4] == _ZSTD_SKIPPABLE_MAGIC and start[0] >> 4 == 5  # noqa: PLR2004 - part of the format


def _is_zlib(start: bytes) -> bool:
    is_header = len(start) > 1 and int.from_bytes(start[:2], "big") % _ZLIB_CHECK == 0
    return is_header and start.startswith(_ZLIB_FIRST_BYTE)


def _decompress(packing: _Packing, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is packed in `pieces`, however many streams follow each other."""
    decoder = None
    for piece in pieces:
        packed = piece
        while packed or _holds_more(decoder):
            if decoder is None:
                packed = packed.lstrip(packing.padding)
                if not packed:
                    break
                decoder = packing.start()
            try:
                yield decoder.decompress(packed, *packing.most)
            except packing.error:
                raise BrokenSymbolFileError(f"its {packing.name} data is damaged") from None
            packed = getattr(decoder, "unconsumed_tail", b"")
            if decoder.eof:
                packed, decoder = decoder.unused_data, None
    if decoder is not None:
        raise CutSymbolFileError(f"its {packing.name} data is truncated")


def _holds_more(decoder: Any) -> bool:
    """Return whether a decoder of xz, which keeps what it was given, has not unpacked all of it."""
    return not getattr(decoder, "needs_input", True)


def _unzstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # The frames of one layer share its memory, which layers within each other must not.
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW_BYTES)
    start, error = decompressor.decompressobj, zstandard.ZstdError
    yield from _decompress(_Packing("zstd", start, error, most=(), padding=b""), _cut(pieces))


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_SLICE_BYTES):
            yield piece[start : start + _ZSTD_SLICE_BYTES]


def _limit(pieces: Iterable[bytes], max_bytes: int, sent: _Sent) -> Iterator[bytes]:
    count = 0
    for piece in pieces:
        count += len(piece)
        if count > max_bytes:
            raise BrokenSymbolFileError(f"expands to more than {describe_bytes(max_bytes)}")
        if is_out_of_proportion(count, sent.count):
            raise BrokenSymbolFileError(f"expands to more than {OUT_OF_PROPORTION}")
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
