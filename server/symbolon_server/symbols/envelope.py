"""What stands around everything that is stored: a mark, a version and a checksum.

| bytes | what |
|---|---|
| 3 | mark: which kind of thing this is |
| 1 | `FORMAT_VERSION` |
| 4 | CRC-32 of the mark, the version and all that follows, little-endian |
| rest | the content, compressed by zstd, with its size in the frame |

The version changes with every change of any format of this floor. It is also the first part of
each generation, so that keys of two versions differ, and what another version wrote is never read.

Version history: 1, each column behind its own width; 2, the bytes of all columns by planes; 3, with
public symbols told from functions, and the last invalidation before an ingest; 4, files and lines
as differences from those of a name's first code.
"""

import zlib
from typing import Final

import zstandard

from symbolon_server.symbols.errors import DamagedPageError

FORMAT_VERSION: Final = 4

MAX_CONTENT_BYTES: Final = 1 << 28
"""More than any page or directory unpacks to; what says more is damaged."""

_LEVEL = 5
"""From 3 to 9 pages get 7 to 15 % smaller on large C++ modules, most of it by 6."""

_HEADER_BYTES = 8


def seal(mark: bytes, content: bytes) -> bytes:
    """Return `content` as the thing that the three bytes `mark` stand for."""
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    head = mark + bytes([FORMAT_VERSION])
    return head + _checksum(head, packed) + packed


def check_seal(mark: bytes, data: bytes) -> None:
    """Raise `DamagedPageError` where `data` is cut, changed, of another version or another thing.

    It looks at the checksum only: a tenth of the work of unpacking.
    """
    head, checksum = data[:4], data[4:_HEADER_BYTES]
    if head != mark + bytes([FORMAT_VERSION]):
        raise DamagedPageError("not a page of this version")
    if checksum != _checksum(head, data[_HEADER_BYTES:]):
        raise DamagedPageError("a page with a wrong checksum")


def is_whole(mark: bytes, data: bytes) -> bool:
    """Return whether `check_seal` takes `data`."""
    try:
        check_seal(mark, data)
    except DamagedPageError:
        return False
    return True


class Unpacker:
    """Unpacks what `check_seal` took; used by one thread, for many things: it is dear to make."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()

    def unpack(self, data: bytes) -> bytes:
        """Return the content of `data`; raise `DamagedPageError` where it cannot be unpacked."""
        packed = data[_HEADER_BYTES:]
        try:
            if zstandard.frame_content_size(packed) > MAX_CONTENT_BYTES:
                raise DamagedPageError("a page that is too large")
            return self._zstd.decompress(packed)
        except zstandard.ZstdError as error:
            raise DamagedPageError("a page that cannot be unpacked") from error


def unseal(mark: bytes, data: bytes) -> bytes:
    """Return the content that `seal` was given; raise `DamagedPageError` as `check_seal` does."""
    check_seal(mark, data)
    return Unpacker().unpack(data)


def _checksum(head: bytes, packed: bytes) -> bytes:
    return zlib.crc32(packed, zlib.crc32(head)).to_bytes(4, "little")
