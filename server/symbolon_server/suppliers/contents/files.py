"""Opens files inside one folder, and notices those that are being written."""

import errno
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Self

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import MIB

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
"""What opening a file says if no file of that name can be there."""

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""O_NONBLOCK: opening a named pipe must not wait for a writer."""


class _Version(NamedTuple):
    """What changes when a file is written to."""

    size: int
    modified_at: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_size, status.st_mtime_ns)


class OpenedFile(NamedTuple):
    """A regular file, to be closed by its user."""

    file: FileIO
    version: _Version
    """As of when it was opened."""

    def read_pieces(self) -> Iterator[bytes]:
        """Yield the file's bytes; one that is being written would end where its writer is."""
        try:
            while piece := self.file.read(MIB):
                yield piece
            if _Version.of(os.fstat(self.file.fileno())) != self.version:
                raise UnavailableSymbolFileError("the file changed while it was read")
        except OSError as error:
            raise UnavailableSymbolFileError(describe_error(error)) from None


def open_inside(root: Path, path: Path) -> OpenedFile:
    """Open `path`, which may be absent, making sure that it is a file inside `root`.

    Raises `OSError` for what is no definite no.
    """
    try:
        real_path = resolve_inside(root, path)
        descriptor = os.open(real_path, _OPEN_FLAGS)
    except OSError as error:
        if error.errno in ABSENT:
            raise MissingSymbolFileError("has no such file") from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnavailableSymbolFileError("what has the symbol file's name is no file")
    return OpenedFile(FileIO(descriptor), _Version.of(status))


def resolve_inside(root: Path, path: Path) -> Path:
    """Return where `path` leads; raises `OSError` where it is absent."""
    real_path = resolve(path)
    if not real_path.is_relative_to(root):
        raise UnavailableSymbolFileError("a symbolic link leads out of the folder")
    return real_path


def resolve(path: Path) -> Path:
    """Return where `path` leads; raises `OSError` where it is absent."""
    try:
        return path.resolve(strict=True)
    except RuntimeError:  # Python 3.11 and 3.12 say so where links lead in a circle
        raise UnavailableSymbolFileError("symbolic links lead in a circle") from None


def describe_error(error: OSError) -> str:
    """Return what happened without the path, which the supplier's name tells already."""
    return (error.strerror or "cannot be read").lower()
