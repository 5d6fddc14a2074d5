"""Page files: the directory and all pages of a module in one file.

| bytes | content |
|---|---|
| 4 | mark `SyF` and `envelope.FORMAT_VERSION` |
| 4 | number of pages, little-endian like all numbers here |
| 4 | CRC-32 of everything before it and of the table |
| 8 each | table: where the directory starts, where each page starts, where the file ends |
| rest | the directory, then the pages, each with its own checksum |

With the table, one page is found without reading the others.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION

_MARK: Final = b"SyF" + bytes([FORMAT_VERSION])
_NUMBER: Final = struct.Struct("<I")
_HEAD_BYTES: Final = 12


def encode_page_file(directory: bytes, pages: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a module's page file, given its encoded directory and pages."""
    first = _HEAD_BYTES + 8 * (len(pages) + 2)
    places = accumulate([len(directory), *map(len, pages)], initial=first)
    head = _MARK + _NUMBER.pack(len(pages))
    table = struct.pack(f"<{len(pages) + 2}Q", *places)
    yield head + _NUMBER.pack(zlib.crc32(table, zlib.crc32(head))) + table
    yield directory
    yield from pages


ReadAt = Callable[[int, int], bytes]
"""Called with a position and a number of bytes; returns fewer bytes at the end of the file."""


class PageFile:
    """A page file; reads only what is requested."""

    def __init__(self, size: int, read_at: ReadAt) -> None:
        """Check the table of a file of `size` bytes; raise `DamagedPageError` if it is damaged."""
        head = read_at(0, _HEAD_BYTES)
        if len(head) < _HEAD_BYTES or head[:4] != _MARK:
            raise DamagedPageError("not a page file of this version")
        (pages,) = _NUMBER.unpack_from(head, 4)
        (checksum,) = _NUMBER.unpack_from(head, 8)
        table_bytes = 8 * (pages + 2)
        if _HEAD_BYTES + table_bytes > size:
            raise DamagedPageError("a truncated page file")
        table = read_at(_HEAD_BYTES, table_bytes)
        if checksum != zlib.crc32(table, zlib.crc32(head[:8])):
            raise DamagedPageError("wrong checksum of a page file")
        if len(table) != 8 * (pages + 2):
            raise DamagedPageError("a truncated page file")
        places = np.frombuffer(table, "<u8")  # a large module has thousands
        if places[-1] != size or (places[1:] < places[:-1]).any():
            raise DamagedPageError("wrong positions in a page file")
        self._places = places.data
        self._read_at = read_at

    @property
    def page_count(self) -> int:
        """Number of pages in the file."""
        return len(self._places) - 2

    @property
    def directory(self) -> bytes:
        """The encoded page directory, which may be damaged."""
        return self._read(0)

    def page(self, number: int) -> bytes:
        """Return an encoded page, which may be damaged; raise `IndexError` if it does not exist."""
        if not 0 <= number < self.page_count:
            raise IndexError(number)
        return self._read(number + 1)

    def _read(self, part: int) -> bytes:
        start, end = self._places[part : part + 2]
        return self._read_at(start, end - start)
