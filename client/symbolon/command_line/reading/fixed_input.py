"""The bytes that a file has at one moment, for several processes that read it at a time."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 1 << 18


class FixedInput(io.RawIOBase):
    """The first bytes of a file, without what it grows by; does not move the file's position."""

    def __init__(self, descriptor: int, size: int) -> None:
        super().__init__()
        self.descriptor = descriptor
        self._position = 0
        self._size = size

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def tell(self) -> int:
        """Return the position in the file."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer as far as possible."""
        view = memoryview(buffer).cast("B")
        data = os.pread(
            self.descriptor, min(len(view), self._size - self._position), self._position
        )
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def buffered(self) -> io.BufferedReader:
        """Return a reader of it."""
        return io.BufferedReader(self, _BUFFER_BYTES)


def measure_file(opened: BinaryIO) -> int | None:
    """Return the size of an input in bytes; `None` if it is not a plain file."""
    try:
        found = os.fstat(opened.fileno())
    except OSError:  # a buffer that stands in for standard input
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
