r"""Removes the framing `aws-chunked`, which uploads to S3 use and some object stores keep.

    10000;chunk-signature=<hex digits>\r\n<65,536 bytes>\r\n
    0;chunk-signature=<hex digits>\r\n
    <trailers, each on a line>\r\n
    \r\n

Sizes are in hex. There are no signatures if the trailers contain a checksum. A file that was
uploaded in parts may consist of several of these.
"""

import re
from collections.abc import Iterable, Iterator

from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError, CutSymbolFileError

_LONGEST_LINE = 1024
_FIRST_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=[0-9A-Fa-f*]{1,160})?\r\n")
"""The `*` pads signatures for several regions."""

FIRST_LINE_BYTES = 200
"""Longer than any first line."""


def is_framed(start: bytes) -> bool:
    """Return whether a file with this start is framed; no symbol file starts with hex digits."""
    return _FIRST_LINE.match(start) is not None


def unframe(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the contents of the chunks, without checking signatures or checksums.

    Raises `CutSymbolFileError` if the last chunk is missing, and `BrokenSymbolFileError` if the
    framing is invalid.
    """
    framed = _Framed(pieces)
    is_ended = False
    while not framed.is_at_end():
        size = _parse_size(framed.read_line())
        is_ended = size == 0
        if is_ended:
            _skip_trailers(framed)
            continue
        yield from framed.read(size)
        if framed.read_line():
            raise _damaged()
    if not is_ended:
        raise _cut()


def _parse_size(line: bytes) -> int:
    match = _FIRST_LINE.fullmatch(line + b"\r\n")
    if match is None:
        raise _damaged()
    return int(match[1], 16)


def _skip_trailers(framed: "_Framed") -> None:
    """Skip lines up to an empty one; the contents are complete even if they are truncated."""
    while not framed.is_at_end():
        try:
            if not framed.read_line():
                return
        except CutSymbolFileError:
            return


class _Framed:
    """Bytes that arrive in pieces of any size, read by line or by count."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""
        self._position = 0

    def is_at_end(self) -> bool:
        while self._position == len(self._held):
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._held, self._position = piece, 0
        return False

    def read_line(self) -> bytes:
        """Return the bytes before the next CRLF, and skip both."""
        while (end := self._held.find(b"\r\n", self._position)) < 0:
            if len(self._held) - self._position > _LONGEST_LINE:
                raise _damaged()
            piece = next(self._pieces, None)
            if piece is None:
                self._position = len(self._held)
                raise _cut()
            self._held, self._position = self._held[self._position :] + piece, 0
        line = self._held[self._position : end]
        self._position = end + 2
        return line

    def read(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes."""
        while count:
            if self.is_at_end():
                raise _cut()
            piece = self._held[self._position : self._position + count]
            self._position += len(piece)
            count -= len(piece)
            yield piece


def _damaged() -> BrokenSymbolFileError:
    return BrokenSymbolFileError("its aws-chunked framing is damaged")


def _cut() -> CutSymbolFileError:
    return CutSymbolFileError("its aws-chunked framing is truncated")
