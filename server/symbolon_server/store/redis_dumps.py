"""Strings as `RESTORE` takes them: the one command that puts a key with an age.

The format is that of `DUMP`: a type byte, the length, the bytes, the version of the format, and a
CRC-64 as Redis computes it. Version 9 is read by Redis 5.0 and later, and by Valkey.
"""

from typing import Final

from anycrc import Model

_STRING: Final = b"\x00"
_VERSION: Final = (9).to_bytes(2, "little")

_CRC64: Final = Model("CRC64-REDIS")


def dump_string(value: bytes) -> bytes:
    """Return `value` as `DUMP` would."""
    content = b"".join((_STRING, _length(len(value)), value, _VERSION))
    checksum: int = _CRC64.calc(content)
    return content + checksum.to_bytes(8, "little")


def _length(length: int) -> bytes:
    """Return a length in 6, 14 or 32 bits; the first two bits tell which."""
    if length < 1 << 6:
        return length.to_bytes(1, "big")
    if length < 1 << 14:
        return (length | 1 << 14).to_bytes(2, "big")
    return b"\x80" + length.to_bytes(4, "big")
