"""A supplier that is a directory of symbol files."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple, ParamSpec, Self, TypeVar

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import MIB, FetchLimits
from symbolon_server.suppliers.contents.supplier import SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath, PathParts
from symbolon_server.suppliers.layouts.listings import Listings
from symbolon_server.suppliers.layouts.options import Casing, SupplierOptions
from symbolon_server.suppliers.layouts.symbol_servers import NOT_FOLLOWED, is_pointer
from symbolon_server.symbols.ground.asked_modules import AskedModule

MAX_SPELLINGS = 8
"""How many names of one folder that differ in case only are tried, in alphabetical order."""

_BUILD_ID_FOLDER = ".build-id"

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
"""Errors which mean that no file of that name can exist."""

_NOT_REGULAR = "the symbol file is not a regular file"

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""O_NONBLOCK: opening a named pipe must not block."""

P = ParamSpec("P")
T = TypeVar("T")


class _Version(NamedTuple):
    """What changes when a file is written."""

    size: int
    modified_at: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_size, status.st_mtime_ns)


class _OpenedFile(NamedTuple):
    """A regular file; the caller closes it."""

    file: FileIO
    version: _Version
    """At the time of opening."""

    def read_pieces(self) -> Iterator[bytes]:
        """Yield the file's bytes; raise if it changed meanwhile, because it may be incomplete."""
        try:
            while piece := self.file.read(MIB):
                yield piece
            if _Version.of(os.fstat(self.file.fileno())) != self.version:
                raise UnavailableSymbolFileError("the file changed while it was read")
        except OSError as error:
            raise UnavailableSymbolFileError(_describe_error(error)) from None


class DirectorySupplier:
    """Symbol files below one directory, plain or compressed, and never a file outside of it.

    Symbolic links are followed as long as they stay inside the directory; those of a directory
    named `.build-id` may lead to its neighbours, as Fedora's do.
    """

    def __init__(
        self,
        root: Path,
        limits: FetchLimits | None = None,
        options: SupplierOptions | None = None,
    ) -> None:
        """Search below `root`, which need not exist yet, according to `options`."""
        self._root = root
        self._limits = limits or FetchLimits()
        self._options = options or SupplierOptions()
        self._listings = Listings() if self._options.casing is Casing.ANY else None

    @property
    def name(self) -> str:
        """The directory's path, with escapes for bytes that are not UTF-8."""
        return str(self._root).encode(errors="backslashreplace").decode()

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        """Return the paths of the layouts, in the casing of the options."""
        return self._options.candidates(asked)

    def lacks(self, asked: AskedModule) -> str:
        """Return what the layouts need and the request does not have."""
        return self._options.lacks(asked)

    @contextmanager
    def fetch(self, candidate: CandidatePath) -> Iterator[SymbolFileStream]:
        """Yield the file."""
        opened = self._open(candidate.parts)
        with opened.file:
            if is_pointer(candidate):
                raise MissingSymbolFileError(NOT_FOLLOWED)
            yield SymbolFileStream(opened.read_pieces(), self._limits)

    def _open(self, parts: PathParts) -> _OpenedFile:
        try:
            # An unmounted directory is unavailable: it does not mean that files are missing.
            root = _resolve(self._root)
            if not root.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            bound = root.parent if root.name == _BUILD_ID_FOLDER else root
            if self._listings is None:
                return _open_inside(bound, root.joinpath(*parts))
            return _open_in_any_case(bound, root, parts, self._listings)
        except OSError as error:
            raise UnavailableSymbolFileError(_describe_error(error)) from None


def _open_in_any_case(
    bound: Path, root: Path, parts: Sequence[str], listings: Listings
) -> _OpenedFile:
    """Open the file below `root` at this path, or at one that differs in case only.

    Tries all spellings until one can be opened. If none can, raises `UnavailableSymbolFileError`
    if any failed, else `MissingSymbolFileError`.
    """
    search = _Search(bound, listings)
    for path in chain([root.joinpath(*parts)], search.spellings(root, parts)):
        opened = search.attempt(_open_inside, bound, path)
        if opened is not None:
            return opened
    raise search.failure or MissingSymbolFileError()


class _Search:
    """One search; remembers the first failure and goes on."""

    def __init__(self, bound: Path, listings: Listings) -> None:
        self._bound = bound
        self._listings = listings
        self.failure: UnavailableSymbolFileError | None = None

    def spellings(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        """Yield the paths below `folder` that differ from `parts` in case at most."""
        if not parts:
            yield folder
            return
        names = self.attempt(self._find, folder, parts[0]) or []
        for name in names[:MAX_SPELLINGS]:
            yield from self.spellings(folder / name, parts[1:])

    def _find(self, folder: Path, name: str) -> list[str]:
        return self._listings.find(_resolve_inside(self._bound, folder), name)

    def attempt(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Return the result of `work`, or None if a file is absent or it failed."""
        try:
            return work(*arguments, **named)
        except MissingSymbolFileError:
            return None
        except UnavailableSymbolFileError as error:
            self.failure = self.failure or error
        except OSError as error:
            if error.errno not in _ABSENT:
                self.failure = self.failure or UnavailableSymbolFileError(_describe_error(error))
        return None


def _open_inside(bound: Path, path: Path) -> _OpenedFile:
    """Open `path` if it is a regular file inside `bound`.

    Raises `MissingSymbolFileError` if it is absent, and `OSError` for any other failure.
    """
    try:
        real_path = _resolve_inside(bound, path)
        descriptor = os.open(real_path, _OPEN_FLAGS)
    except OSError as error:
        if error.errno in _ABSENT:
            raise MissingSymbolFileError from None
        if error.errno == errno.ENXIO:  # a socket
            raise UnavailableSymbolFileError(_NOT_REGULAR) from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnavailableSymbolFileError(_NOT_REGULAR)
    return _OpenedFile(FileIO(descriptor), _Version.of(status))


def _resolve_inside(bound: Path, path: Path) -> Path:
    """Return the real path; raise `OSError` if it is absent."""
    real_path = _resolve(path)
    if not real_path.is_relative_to(bound):
        raise UnavailableSymbolFileError("a symbolic link leads out of the directory")
    return real_path


def _resolve(path: Path) -> Path:
    """Return the real path; raise `OSError` if it is absent."""
    try:
        return path.resolve(strict=True)
    except RuntimeError:  # a loop, in Python 3.11 and 3.12
        raise UnavailableSymbolFileError("too many levels of symbolic links") from None


def _describe_error(error: OSError) -> str:
    """Return the error without the path, which is in the supplier's name already."""
    return (error.strerror or "cannot be read").lower()
