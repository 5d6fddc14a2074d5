"""What stands around everything that is stored: a mark, a version and a checksum.

| bytes | what |
|---|---|
| 3 | mark: which kind of thing this is |
| 1 | `FORMAT_VERSION` |
| 4 | CRC-32 of the mark, the version, the owner and all that follows, little-endian |
| rest | the content, compressed by zstd, with its size in the frame |

The *owner* is what the thing belongs to, and is not stored: of a page its place in a generation,
of a page directory its module. So what stands under the key of another is recognised as damaged.

The version changes with every change of any format of this floor. It is also the first part of
each generation, so that keys of two versions differ, and what another version wrote is never read.

Version history: 1, each column behind its own width; 2, the bytes of all columns by planes; 3, with
public symbols told from functions, and the last invalidation before an ingest; 4, files and lines
as differences from those of a name's first code; 5, with owners, and pages by a dictionary; 6, with
texts that end rather than have lengths, new symbols and names that are counted, and directories
whose numbers are not in JSON.
"""

import zlib
from typing import Final

import zstandard

from symbolon_server.symbols.ground.errors import DamagedPageError

FORMAT_VERSION: Final = 7

MAX_CONTENT_BYTES: Final = 1 << 28
"""More than any page or directory unpacks to; what says more is damaged."""

LEVEL: Final = 7
"""From 5 to 7 pages get 6 % smaller, for twice the time; up to 9 another 2 %, for a third more."""

_HEADER_BYTES = 8


class Packer:
    """Compresses contents; used by one thread, for many things."""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None = None) -> None:
        """Compress by a dictionary, if there is one; it is needed for unpacking then."""
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary)

    def pack(self, content: bytes) -> bytes:
        """Return `content` compressed, as `stamp` takes it."""
        return self._zstd.compress(content)


def seal(
    mark: bytes,
    owner: bytes,
    content: bytes,
    dictionary: zstandard.ZstdCompressionDict | None = None,
) -> bytes:
    """Return `content` as the thing that the three bytes `mark` stand for, of this owner."""
    return stamp(mark, owner, Packer(dictionary).pack(content))


def stamp(mark: bytes, owner: bytes, packed: bytes | memoryview) -> bytes:
    """Return a compressed content with what stands before it."""
    head = mark + bytes([FORMAT_VERSION])
    return head + _checksum(head, owner, packed) + packed


def packed_content(data: bytes) -> memoryview:
    """Return the compressed content of `data`, unchecked, without a copy."""
    return memoryview(data)[_HEADER_BYTES:]


def check_seal(mark: bytes, owner: bytes, data: bytes) -> None:
    """Raise `DamagedPageError` where `data` is cut, changed, or of another version, kind or owner.

    It looks at the checksum only: a tenth of the work of unpacking.
    """
    head = mark + bytes([FORMAT_VERSION])
    if data[:4] != head:
        raise DamagedPageError("not a page of this version")
    if data[4:_HEADER_BYTES] != _checksum(head, owner, memoryview(data)[_HEADER_BYTES:]):
        raise DamagedPageError("a page with a wrong checksum")


def is_whole(mark: bytes, owner: bytes, data: bytes) -> bool:
    """Return whether `check_seal` takes `data`."""
    try:
        check_seal(mark, owner, data)
    except DamagedPageError:
        return False
    return True


class Unpacker:
    """Unpacks what `check_seal` took; used by one thread, for many things: it is dear to make."""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None = None) -> None:
        """Unpack what was sealed by this dictionary; raise `DamagedPageError` for what is none."""
        try:
            self._zstd = zstandard.ZstdDecompressor(dict_data=dictionary)
        except zstandard.ZstdError as error:
            raise DamagedPageError("a page dictionary that is none") from error

    def unpack(self, data: bytes) -> bytes:
        """Return the content of `data`; raise `DamagedPageError` where it cannot be unpacked."""
        packed = packed_content(data)
        try:
            if zstandard.frame_content_size(packed) > MAX_CONTENT_BYTES:
                raise DamagedPageError("a page that is too large")
            return self._zstd.decompress(packed)
        except zstandard.ZstdError as error:
            raise DamagedPageError("a page that cannot be unpacked") from error


def unseal(
    mark: bytes,
    owner: bytes,
    data: bytes,
    dictionary: zstandard.ZstdCompressionDict | None = None,
) -> bytes:
    """Return the content that was sealed; raise `DamagedPageError` as `check_seal` does."""
    check_seal(mark, owner, data)
    return Unpacker(dictionary).unpack(data)


def _checksum(head: bytes, owner: bytes, packed: bytes | memoryview) -> bytes:
    return zlib.crc32(packed, zlib.crc32(head + owner)).to_bytes(4, "little")
