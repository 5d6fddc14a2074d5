"""Sections of an ELF file that are compressed: how large they say they are, and their bytes."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import zstandard

from symbolon_server.debug_files.elf_layout import ElfLayout, Section
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.ground.unpacked_sizes import OUT_OF_PROPORTION, is_out_of_proportion

MAX_ZLIB_RATIO: Final = 1100
"""zlib makes at most 1032 bytes of one."""

_COMPRESSED = 0x800
_ZLIB, _ZSTD = 1, 2
_GNU_PREFIX = b".zdebug_"
_GNU_MARK = b"ZLIB"
_GNU_HEADER_BYTES = 12
_PIECE_BYTES = 1 << 16
_FREE_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class Packed:
    """A section's content, compressed or not."""

    method: int
    """0 if it is not compressed."""

    size: int
    """In bytes, when unpacked, as the section says."""

    content: memoryview


def read_packing(elf: ElfLayout, section: Section) -> Packed:
    """Return how a section is compressed, by the flag or in the older way of GNU tools."""
    content = section.content
    if section.flags & _COMPRESSED and len(content):
        return Packed(*elf.compression(section))
    if section.name.startswith(_GNU_PREFIX) and content[:4] == _GNU_MARK:
        size = int.from_bytes(content[4:_GNU_HEADER_BYTES])
        return Packed(_ZLIB, size, content[_GNU_HEADER_BYTES:])
    return Packed(0, len(content), content)


def check_sizes(elf: ElfLayout, sections: Iterable[Section], max_bytes: int) -> None:
    """Refuse sections that claim to be larger than `max_bytes` when unpacked, or than possible.

    All compressed sections together are in proportion to what they are unpacked from. `symbolic`
    allocates what they claim, and ends the process if that fails.
    """
    packed = [(section, read_packing(elf, section)) for section in sections]
    compressed = [each for each in packed if each[1].method]
    packed_bytes = sum(len(content.content) for _, content in compressed)
    unpacked_bytes = 0
    for section, content in compressed:
        name = section.name.decode(errors="backslashreplace")
        unpacked_bytes += content.size
        _check_total(name, unpacked_bytes, packed_bytes, max_bytes)
        most = MAX_ZLIB_RATIO * len(content.content) + _FREE_BYTES
        if content.method == _ZLIB and content.size > most:
            message = f"its section {name} claims {content.size} bytes, more than it can hold"
            raise MalformedSymbolFileError(message)


def _check_total(name: str, unpacked_bytes: int, packed_bytes: int, max_bytes: int) -> None:
    if unpacked_bytes > max_bytes:
        size = f"{max_bytes} bytes"
    elif is_out_of_proportion(unpacked_bytes, packed_bytes):
        size = OUT_OF_PROPORTION
    else:
        return
    raise MalformedSymbolFileError(f"with its section {name} it unpacks to over {size}")


class SectionReader:
    """Reads a section from its start on, unpacked, up to the size that it claims.

    It ends early where the section is damaged.
    """

    def __init__(self, packed: Packed) -> None:
        self._pieces = _unpack(packed)
        self._left = packed.size
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer at the end."""
        data = bytearray()
        while len(data) < size and self._fill():
            data += self._take(size - len(data))
        return bytes(data)

    def skip(self, size: int) -> None:
        """Go on behind the next bytes, or at the end; a damaged size may be negative."""
        while size > 0 and self._fill():
            size -= len(self._take(size))

    def _fill(self) -> bool:
        while not len(self._piece) and self._left > 0:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._piece = memoryview(piece)[: self._left]
            self._left -= len(self._piece)
        return len(self._piece) > 0

    def _take(self, size: int) -> memoryview:
        taken, self._piece = self._piece[:size], self._piece[size:]
        return taken


def _unpack(packed: Packed) -> Iterator[bytes | memoryview]:
    """Yield the unpacked content in pieces, as far as it can be unpacked."""
    try:
        if packed.method == _ZLIB:
            yield from _inflate(packed.content)
        elif packed.method == _ZSTD:
            yield from zstandard.ZstdDecompressor().read_to_iter(packed.content)
        elif not packed.method:
            yield packed.content
    except (zlib.error, zstandard.ZstdError):
        return


def _inflate(content: memoryview) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for place in range(0, len(content), _PIECE_BYTES):
        data = bytes(content[place : place + _PIECE_BYTES])
        while data:
            yield unpacker.decompress(data, _PIECE_BYTES)
            data = unpacker.unconsumed_tail
