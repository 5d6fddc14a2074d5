"""Values read from files, and read again when the files change."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from symbolon_server.telemetry.logs import EventLog

T = TypeVar("T")
_State = tuple[tuple[int, int, int], ...]
"""Inode, size and change time of each file. The modification time would not do, because tools that
copy files often preserve it."""

_log = EventLog(__name__)


class UnusableFileError(Exception):
    """A file cannot be used; the text says which and why, and quotes none of its content."""


class Reloaded(Generic[T]):
    """The value that `read` returned when the files were last usable.

    Unusable files, such as a new certificate whose key is still missing, are logged and ignored.
    There is no lock: two threads may read the same files at the same time.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[], T]) -> None:
        """Read the files; raise `UnusableFileError`."""
        self._files = files
        self._read = read
        self._seen = _state_of(files)
        self.value = read()

    def refresh(self) -> None:
        """Reload the files if they have changed."""
        found = _state_of(self._files)
        if found != self._seen:
            self._load(found)

    def read_again(self) -> None:
        """Reload the files, even if they seem unchanged."""
        self._load(_state_of(self._files))

    def _load(self, found: _State | None) -> None:
        self._seen = found
        try:
            value = self._read()
        except UnusableFileError as error:
            _log.error("file_not_reloaded", reason=str(error))
            return
        if _state_of(self._files) != found:
            self._seen = None  # still being written: the value may be incomplete
            return
        self.value = value
        _log.info("files_reloaded", files=", ".join(map(str, self._files)))


def read_file(file: Path) -> bytes:
    """Return the content of a file; raise `UnusableFileError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"cannot read {file}: {error.strerror}") from error


def _state_of(files: Sequence[Path]) -> _State | None:
    """Return a state that changes with the files, or None if one is missing."""
    try:
        found = [file.stat() for file in files]
    except OSError:
        return None
    return tuple((state.st_ino, state.st_size, state.st_ctime_ns) for state in found)
