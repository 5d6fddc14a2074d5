"""A supplier that is a folder of symbol files."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Self

from symbolon_server.suppliers.errors import MissingSymbolFileError, UnavailableSymbolFileError
from symbolon_server.suppliers.layout import DEFAULT_LAYOUTS, Layout, ask_in_turn
from symbolon_server.suppliers.limits import MIB, FetchLimits
from symbolon_server.suppliers.supplier import SymbolFileStream
from symbolon_server.symbols.asked_modules import AskedModule

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
"""What opening a file says if no file of that name can be there."""

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""O_NONBLOCK: opening a named pipe must not wait for a writer."""


class DirectorySupplier:
    """Symbol files below one folder, plain or compressed; never a file outside of it.

    Symbolic links are followed as long as they stay inside the folder.
    """

    def __init__(
        self,
        root: Path,
        limits: FetchLimits | None = None,
        *,
        layouts: Sequence[Layout] = DEFAULT_LAYOUTS,
    ) -> None:
        """Look below `root`, which need not exist yet, where `layouts` say."""
        self._root = root
        self._limits = limits or FetchLimits()
        self._layouts = layouts

    @property
    def name(self) -> str:
        """The folder's path; bytes of it that are not UTF-8 are spelt out."""
        return str(self._root).encode(errors="backslashreplace").decode()

    @contextmanager
    def fetch(self, asked: AskedModule) -> Iterator[SymbolFileStream]:
        """Yield the module's symbol file."""
        opened = self._open(asked)
        with opened.file:
            yield SymbolFileStream(_read_pieces(opened), self._limits)

    def _open(self, asked: AskedModule) -> "_Opened":
        try:
            # A folder that is not mounted has no symbol files, but that is no definite no.
            root = self._root.resolve(strict=True)
            return ask_in_turn(
                self._layouts, asked, lambda parts: _open_inside(root, root.joinpath(*parts))
            )
        except OSError as error:
            raise UnavailableSymbolFileError(_describe(error)) from None
        except RuntimeError:  # Python 3.11 and 3.12 say so where links lead in a circle
            raise UnavailableSymbolFileError("symbolic links lead in a circle") from None


class _Version(NamedTuple):
    """What changes when a file is written to."""

    size: int
    modified_at: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_size, status.st_mtime_ns)


class _Opened(NamedTuple):
    file: FileIO
    version: _Version


def _open_inside(root: Path, path: Path) -> _Opened:
    """Open `path`, which may be absent, making sure that it is a file inside `root`."""
    try:
        real_path = path.resolve(strict=True)
        if not real_path.is_relative_to(root):
            raise UnavailableSymbolFileError("a symbolic link leads out of the folder")
        descriptor = os.open(real_path, _OPEN_FLAGS)
    except OSError as error:
        if error.errno in _ABSENT:
            raise MissingSymbolFileError("has no such file") from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnavailableSymbolFileError("what has the symbol file's name is no file")
    return _Opened(FileIO(descriptor), _Version.of(status))


def _read_pieces(opened: _Opened) -> Iterator[bytes]:
    """Yield the file's bytes; one that is being written would end where its writer is."""
    try:
        while piece := opened.file.read(MIB):
            yield piece
        if _Version.of(os.fstat(opened.file.fileno())) != opened.version:
            raise UnavailableSymbolFileError("the file changed while it was read")
    except OSError as error:
        raise UnavailableSymbolFileError(_describe(error)) from None


def _describe(error: OSError) -> str:
    """Return what happened without the path, which the supplier's name tells already."""
    return (error.strerror or "cannot be read").lower()
