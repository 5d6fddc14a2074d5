r"""Takes off the framing `aws-chunked`: uploads to S3 travel in it, and some stores keep it.

    10000;chunk-signature=<hex digits>\r\n<65,536 bytes>\r\n
    0;chunk-signature=<hex digits>\r\n
    <trailers, each on a line>\r\n
    \r\n

Sizes are hex digits. There are no signatures where a checksum is among the trailers. A file
that was uploaded in parts may be several of these, one after the other.
"""

import re
from collections.abc import Iterable, Iterator

from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError, CutSymbolFileError

_LONGEST_LINE = 1024
_FIRST_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=[0-9A-Fa-f*]{1,160})?\r\n")
"""The `*` pads signatures that are good for several regions."""

FIRST_LINE_BYTES = 200
"""More than the longest first line."""


def is_framed(start: bytes) -> bool:
    """Return whether a file that begins so is framed; no symbol file begins with hex digits."""
    return _FIRST_LINE.match(start) is not None


def unframe(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is in the chunks; neither signatures nor checksums are looked at.

    Raises `CutSymbolFileError` if the last chunk is missing, and `BrokenSymbolFileError` for
    what is no framing.
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
    """Skip lines up to an empty one; nothing is missing where they are cut."""
    while not framed.is_at_end():
        try:
            if not framed.read_line():
                return
        except CutSymbolFileError:
            return


class _Framed:
    """Bytes that arrive in pieces of any size, taken by the line or by their number."""

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
        """Return what is before the next CRLF, and step over both."""
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
    return CutSymbolFileError("its aws-chunked framing ends in the middle")
