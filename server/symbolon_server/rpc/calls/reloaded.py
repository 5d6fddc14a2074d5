"""What is made of files, and made anew when they change."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from symbolon_server.telemetry.logs import EventLog

T = TypeVar("T")
_State = tuple[tuple[int, int, int], ...]
"""Of each file: which it is, its size, and when it last became another. Its time of modification
would not do: what copies files often takes that along."""

_log = EventLog(__name__)


class UnusableFileError(Exception):
    """A file cannot be read or used; the text says which and why, and nothing of what is in it."""


class Reloaded(Generic[T]):
    """What `read` made of files when they were last whole.

    Files that cannot be used, such as a certificate without its new key yet, change nothing
    but the log. There is no lock: two threads at once may read the same files twice.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[], T]) -> None:
        """Read the files; raise `UnusableFileError`."""
        self._files = files
        self._read = read
        self._seen = _state_of(files)
        self.value = read()

    def refresh(self) -> bool:
        """Look whether the files have changed; return whether `value` is a new one."""
        found = _state_of(self._files)
        return found != self._seen and self._load(found)

    def read_again(self) -> bool:
        """Read the files whatever they look like; return whether `value` is a new one."""
        return self._load(_state_of(self._files))

    def _load(self, found: _State | None) -> bool:
        self._seen = found
        try:
            value = self._read()
        except UnusableFileError as error:
            _log.error("file_not_reloaded", reason=str(error))
            return False
        if _state_of(self._files) != found:
            self._seen = None  # they are being written: what was read may be half of it
            return False
        self.value = value
        _log.info("files_reloaded", files=", ".join(map(str, self._files)))
        return True


def read_file(file: Path) -> bytes:
    """Return what is in a file; raise `UnusableFileError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"cannot read {file}: {error.strerror}") from error


def _state_of(files: Sequence[Path]) -> _State | None:
    """Return what differs once a file is written or replaced, `None` where one is missing."""
    try:
        found = [file.stat() for file in files]
    except OSError:
        return None
    return tuple((state.st_ino, state.st_size, state.st_ctime_ns) for state in found)
