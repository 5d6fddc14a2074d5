"""Cabinets, written without a packer: by zlib, and as LZX that leaves the bytes as they are."""

import struct
import zlib
from collections.abc import Sequence

MSZIP = 1
LZX = 3 | 15 << 8
_BLOCK = 1 << 15


def cabinet(files: Sequence[tuple[str, bytes]], method: int = MSZIP) -> bytes:
    """Return a cabinet of one folder with these files."""
    content = b"".join(data for _, data in files)
    blocks = [content[place : place + _BLOCK] for place in range(0, len(content), _BLOCK)]
    packed = _zip(blocks) if method == MSZIP else [_leave(block) for block in blocks]
    data = b"".join(
        struct.pack("<IHH", 0, len(one), len(block)) + one
        for one, block in zip(packed, blocks, strict=True)
    )
    names, start = b"", 0
    for name, content_of_file in files:
        names += struct.pack("<IIHHHH", len(content_of_file), start, 0, 0x5821, 0x6000, 0x20)
        names += name.encode() + b"\0"
        start += len(content_of_file)
    header_bytes = 36 + 8
    size = header_bytes + len(names) + len(data)
    header = struct.pack(
        "<4sIIIIIBBHHHHH", b"MSCF", 0, size, 0, header_bytes, 0, 3, 1, 1, len(files), 0, 0, 0
    )
    folder = struct.pack("<IHH", header_bytes + len(names), len(blocks), method)
    return header + folder + names + data


def _zip(blocks: Sequence[bytes]) -> list[bytes]:
    """Deflate each block, which may refer to the one before."""
    packed, before = [], b""
    for block in blocks:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=before)
        packed.append(b"CK" + packer.compress(block) + packer.flush())
        before = block
    return packed


def _leave(block: bytes) -> bytes:
    """Return a block of LZX that is stored: no translation, kind 3, size, and three offsets."""
    bits = (3 << 24 | len(block)) << 4
    words = struct.pack("<HH", bits >> 16, bits & 0xFFFF)
    return words + struct.pack("<III", 1, 1, 1) + block + b"\0" * (len(block) % 2)
