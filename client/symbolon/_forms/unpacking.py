"""Compressed input, unpacked while it is read."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from symbolon.errors import InvalidReportError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_UNPACKED_BYTES = 256 * 2**20
"""The most that a compressed input may unpack to: a document is held in memory as a whole."""

_LEAST_WINDOW_BYTES = 1 << 23
"""The memory that every frame of zstd may need, whatever little it has (RFC 8878)."""

_MOST_WINDOW_BYTES = 1 << 27
"""What `zstd --ultra -22` and `--long` need."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class UnpackedSizeError(InvalidReportError):
    """The input unpacks to more than the limit."""


class _Reader(Protocol):
    def readinto(self, buffer: WriteableBuffer, /) -> int | None: ...


def unpack(opened: BinaryIO, limit: int = MAX_UNPACKED_BYTES) -> BinaryIO:
    """Return the input, unpacked if it is gzip or zstd.

    Opening raises `InvalidReportError` without a package that it needs; reading, if the input is
    damaged, and `UnpackedSizeError` if it is longer than `limit`.
    """
    buffered = opened if hasattr(opened, "peek") else io.BufferedReader(cast(io.RawIOBase, opened))
    beginning = buffered.peek(len(_ZSTD))
    unpacked: _Unpacked
    if beginning.startswith(_GZIP):
        unpacked = _Unpacked(
            gzip.GzipFile(fileobj=buffered), limit, "gzip -dc", (EOFError, OSError, zlib.error)
        )
    elif beginning.startswith(_ZSTD):
        unpacked = _open_zstd(buffered, limit)
    else:
        return buffered
    return io.BufferedReader(unpacked)


def _open_zstd(packed: BinaryIO, limit: int) -> _Unpacked:
    try:
        from zstandard import ZstdDecompressor, ZstdError  # noqa: PLC0415 # not required
    except ImportError:
        raise InvalidReportError(
            "the input is zstd, which the package zstandard unpacks: install it, or unpack the "
            "input first, `zstd -dc FILE | symbolon symbolicate -`"
        ) from None
    window = min(max(1 << limit.bit_length(), _LEAST_WINDOW_BYTES), _MOST_WINDOW_BYTES)
    decompressor = ZstdDecompressor(max_window_size=window)
    reader = decompressor.stream_reader(packed, read_across_frames=True)
    return _Unpacked(reader, limit, "zstd -dc", (ZstdError,))


class _Unpacked(io.RawIOBase):
    """The bytes of a compressed input, at most so many."""

    def __init__(
        self, reader: _Reader, limit: int, command: str, errors: tuple[type[Exception], ...]
    ) -> None:
        """`command` unpacks the input as well; the reader raises `errors` if it is damaged."""
        super().__init__()
        self._reader = reader
        self._left = self._limit = limit
        self._command = command
        self._errors = errors

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer as far as possible; raise as `unpack` says."""
        try:
            count = self._reader.readinto(buffer) or 0
        except self._errors as error:
            raise InvalidReportError(f"the compressed input is damaged: {error}") from error
        self._left -= count
        if self._left < 0:
            raise UnpackedSizeError(
                f"the input unpacks to more than {self._limit:,} bytes: unpack it first, "
                f"`{self._command} FILE | symbolon symbolicate -`"
            )
        return count
