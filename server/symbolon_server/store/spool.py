"""The spool: a bounded folder of page files, shared by the processes of one user on a host.

    <folder>/lock                                 locked by the writer; contains the account
    <folder>/unfinished                           the page file being written
    <folder>/v<version>/<debug file>/<DEBUG ID>.pages

Readers take no lock: a page file appears whole, by renaming, and never changes. The account is the
number of bytes in use. A writer adds a page file to it before it writes the file, so that the
account is never too small, even if the writer is killed. It may be too large, for example after a
page file was removed; when it leaves no room, the page files are counted again.
Nothing is synced to disk: files that a power failure truncates are recognised as damaged.
"""

import errno
import fcntl
import hashlib
import logging
import mmap
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import decode_directory
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION, check_seal, is_whole
from symbolon_server.symbols.paging.file import PageFile, encode_page_file
from symbolon_server.symbols.paging.layout import MARK as PAGE_MARK
from symbolon_server.telemetry.tracing.spans import spanned

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_SUFFIX = ".pages"
_BLOCK_BYTES = 4096
"""File systems round sizes up to this; many small files take more than the sum of their sizes."""

_ROOM_SHARE = 10
"""A tenth of the spool is freed at a time, because that takes a scan of all files."""

_TOUCH_SECONDS = 300.0
"""A page file's time of use is at most this late; an exact one would cost a write per read."""

_LOCK_WAIT_SECONDS = 10.0
_LOCK_PAUSE_SECONDS = 0.02
_LOG_PAUSE_SECONDS = 60.0

_ACCOUNT_DIGITS = 20
_NUMBER_BYTES = 6
"""A spool's number is a score in Redis, which is exact up to 2^53."""

_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE_MODE = 0o666
"""The umask decides who shares the spool; our programs restrict it to their own user."""


class SkipReason(Enum):
    """Why a page file was not read or not written."""

    DAMAGED = "damaged"
    NO_SPACE = "no_space"
    NO_PERMISSION = "no_permission"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    FAILED = "failed"


_REASONS = {
    errno.ENOSPC: SkipReason.NO_SPACE,
    errno.EDQUOT: SkipReason.NO_SPACE,
    errno.EFBIG: SkipReason.NO_SPACE,
    errno.EACCES: SkipReason.NO_PERMISSION,
    errno.EPERM: SkipReason.NO_PERMISSION,
    errno.EROFS: SkipReason.NO_PERMISSION,
}


class _SkippedError(Exception):
    """A page file cannot be read or written, for `reason`; the text has the details."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True)
class _SpooledFile:
    used_at: float
    path: Path
    taken_bytes: int


class SpoolCounts(NamedTuple):
    """The contents of a spool, and the hits and misses of this process."""

    entries: int
    """Page files of all format versions."""

    stored_bytes: int
    """As counted against `max_bytes`."""

    max_bytes: int
    hits: int
    """Page directories and pages that were found."""

    misses: int


def _ignore(_: SkipReason) -> None:
    pass


class Spool:
    """Page files of the most recently used modules, in at most `max_bytes`.

    It never raises if the disk is full, broken or not permitted: a failed read is a miss, a failed
    write is lost. It is a page store for reading; `put_module` stores whole modules, single pages
    and directories are ignored. With `max_bytes` 0 it is empty and touches no file.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        on_skip: Callable[[SkipReason], None] = _ignore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use `folder`, created when needed; call `on_skip` for each page file that is skipped.

        `clock` is compared with the modification times of page files, which order them by use.
        """
        self._folder = folder
        self._version_folder = folder / f"v{FORMAT_VERSION}"
        self._max_bytes = max_bytes
        self._on_skip = on_skip
        self._clock = clock
        self._logged = _LoggedReasons()
        self._counting = threading.Lock()
        self._hits = 0
        self._misses = 0

    def number(self) -> int:
        """Return a number for this folder of this host, 0 if the spool is off.

        Two hosts with one name may have the same: then one is asked for what the other has.
        """
        if self._max_bytes == 0:
            return 0
        name = f"{socket.gethostname()}:{self._folder.absolute()}"
        digest = hashlib.blake2s(name.encode(errors="surrogateescape"), digest_size=_NUMBER_BYTES)
        return 1 + int.from_bytes(digest.digest())

    @spanned("read spool")
    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""
        return self._count(
            [self._read(module_id, partial(_read_directory, module_id)) for module_id in module_ids]
        )

    @spanned("read spool")
    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss; opens each file once."""
        asked: dict[ModuleId, list[PageKey]] = {}
        for key in keys:
            asked.setdefault(key.module_id, []).append(key)
        found: dict[PageKey, bytes] = {}
        for module_id, its_keys in asked.items():
            read = partial(_read_pages, module_id, its_keys)
            found |= self._read(module_id, read) or {}
        return self._count([found.get(key) for key in keys])

    @spanned("write spool")
    def put_module(self, module_id: ModuleId, directory: bytes, pages: Sequence[bytes]) -> bool:
        """Store a whole module, replacing any earlier one; return whether it was stored."""
        if self._max_bytes == 0:
            return False
        try:
            self._put(module_id, directory, pages)
        except _SkippedError as skipped:
            self._skip(skipped)
            return False
        except OSError as error:
            self._skip(_describe(error))
            return False
        return True

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Do nothing: the spool stores whole modules only."""

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Do nothing: the spool stores whole modules only."""

    def forget(self, module_id: ModuleId) -> None:
        """Delete a module."""
        if self._max_bytes > 0:
            self._remove(self._path_of(module_id))

    def is_answering(self) -> bool:
        """Return True: failed reads are counted and logged here."""
        return True

    def is_lost(self) -> bool:
        """Return False."""
        return False

    def counts(self) -> SpoolCounts:
        """Return the contents, hits and misses; scans all page files."""
        with self._counting:
            hits, misses = self._hits, self._misses
        sizes: list[int] = []
        try:
            sizes += (file.taken_bytes for file in self._scan()) if self._max_bytes > 0 else ()
        except OSError as error:
            self._skip(_describe(error))
        return SpoolCounts(len(sizes), sum(sizes), self._max_bytes, hits, misses)

    def _count(self, found: list[bytes | None]) -> list[bytes | None]:
        missed = found.count(None)
        with self._counting:
            self._hits += len(found) - missed
            self._misses += missed
        return found

    def _path_of(self, module_id: ModuleId) -> Path:
        return self._version_folder / module_id.debug_file / f"{module_id.debug_id}{_SUFFIX}"

    def _read(self, module_id: ModuleId, read: Callable[[PageFile], T]) -> T | None:
        """Return the result of `read` on the module's page file; remove a damaged file."""
        if self._max_bytes == 0:
            return None
        path = self._path_of(module_id)
        try:
            with self._open(path) as file:
                return read(file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except DamagedPageError as error:
            self._skip(_SkippedError(SkipReason.DAMAGED, f"{module_id}: {error}"))
            self._remove(path)
        except OSError as error:
            self._skip(_describe(error))
        return None

    @contextmanager
    def _open(self, path: Path) -> Iterator[PageFile]:
        """Open a page file and update its time of use.

        The file is not mapped into memory: a disk error, or a truncation by another process, would
        end this process with SIGBUS.
        """
        descriptor = os.open(path, _READ_FLAGS)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size == 0:
                raise DamagedPageError("is empty or not a regular file")
            self._note_use(path, facts.st_mtime)
            yield PageFile(facts.st_size, lambda place, count: os.pread(descriptor, count, place))
        finally:
            os.close(descriptor)

    def _note_use(self, path: Path, noted_at: float) -> None:
        now = self._clock()
        # Absolute, because a file with a time in the future would never be the oldest.
        if abs(now - noted_at) > _TOUCH_SECONDS:
            with suppress(OSError):
                os.utime(path, (now, now))

    def _put(self, module_id: ModuleId, directory: bytes, pages: Sequence[bytes]) -> None:
        contents = list(encode_page_file(directory, pages))
        size = _taken_bytes(sum(map(len, contents)))
        if size > self._max_bytes:
            raise _SkippedError(SkipReason.TOO_LARGE, f"{module_id} needs {size} bytes")
        with self._lock() as lock:
            used = self._make_room(size, _read_account(lock))
            _write_account(lock, used + size)
            try:
                self._write(self._path_of(module_id), contents)
            except BaseException:
                (self._folder / "unfinished").unlink(missing_ok=True)
                _write_account(lock, used)
                raise

    def _write(self, path: Path, contents: Sequence[bytes]) -> None:
        unfinished = self._folder / "unfinished"
        unfinished.unlink(missing_ok=True)  # left by a killed writer, with its mode
        with open(unfinished, "wb", opener=_open_to_write) as file:
            file.writelines(contents)
        now = self._clock()
        os.utime(unfinished, (now, now))
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(path)

    @contextmanager
    def _lock(self) -> Iterator[int]:
        """Exclude other writers, also of this process; yield the descriptor of the lock file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / "lock", _LOCK_FLAGS, _FILE_MODE)
        try:
            _wait_for_lock(lock)
            yield lock
        finally:
            os.close(lock)

    def _make_room(self, size: int, account: int | None) -> int:
        """Remove page files until `size` bytes fit; return how many bytes are then in use."""
        if account is not None and account + size <= self._max_bytes:
            return account
        files = sorted(self._scan())
        used = sum(file.taken_bytes for file in files)
        if used + size <= self._max_bytes:
            return used
        target = self._max_bytes - max(size, self._max_bytes // _ROOM_SHARE)
        for file in files:
            if used <= target:
                break
            if self._remove(file.path):
                used -= file.taken_bytes
            with suppress(OSError):
                file.path.parent.rmdir()
        if used + size > self._max_bytes:
            raise _SkippedError(SkipReason.NO_PERMISSION, "old page files cannot be removed")
        return used

    def _scan(self) -> Iterator[_SpooledFile]:
        """Yield the page files of all versions: the limit applies to their sum."""
        for path in self._folder.glob(f"v*/*/*{_SUFFIX}"):
            with suppress(OSError):
                facts = path.lstat()
                if stat.S_ISREG(facts.st_mode):
                    yield _SpooledFile(facts.st_mtime, path, _taken_bytes(facts.st_size))

    def _remove(self, path: Path) -> bool:
        """Remove a file if it exists; return whether it is gone."""
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return True
        except OSError as error:
            self._skip(_describe(error))
            return False
        return True

    def _skip(self, skipped: _SkippedError) -> None:
        """Count a skipped page file, and log it unless the same reason was logged recently."""
        self._on_skip(skipped.reason)
        if self._logged.is_due(skipped.reason, time.monotonic()):
            _LOG.warning("spool skipped (%s): %s", skipped.reason.value, skipped)


class _LoggedReasons:
    """When each reason was last logged, by this process and all its forks.

    Each ingest of a worker is a fork: a full disk would be logged once for each. Two at the same
    time may both log.
    """

    def __init__(self) -> None:
        self._places = {reason: place for place, reason in enumerate(SkipReason)}
        self._times = memoryview(mmap.mmap(-1, len(SkipReason) * 8)).cast("d")

    def is_due(self, reason: SkipReason, now: float) -> bool:
        """Return whether to log `reason` now; if so, it counts as logged."""
        place = self._places[reason]
        last = self._times[place]
        if last and now - last < _LOG_PAUSE_SECONDS:
            return False
        self._times[place] = now
        return True


def _read_directory(module_id: ModuleId, file: PageFile) -> bytes:
    """Return the directory after checking it."""
    directory = file.directory
    decode_directory(module_id, directory)
    return directory


def _read_pages(
    module_id: ModuleId, keys: Sequence[PageKey], file: PageFile
) -> dict[PageKey, bytes]:
    """Return the pages of the file's generation; those of another are misses.

    Check each one: a damaged page must not get into the store, where all servers would read it.
    """
    pages = {key: file.page(key.number) for key in keys if 0 <= key.number < file.page_count}
    wrong = [key for key, page in pages.items() if not is_whole(PAGE_MARK, key.owner, page)]
    if wrong:  # else the directory, which is larger than most pages, has nothing to add
        generation = decode_directory(module_id, file.directory).generation
        for key in wrong:
            if key.generation == generation:
                check_seal(PAGE_MARK, key.owner, pages[key])
            del pages[key]
    return pages


def _describe(error: OSError) -> _SkippedError:
    reason = _REASONS.get(error.errno or 0, SkipReason.FAILED)
    return _SkippedError(reason, (error.strerror or "the disk failed").lower())


def _taken_bytes(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def _open_to_write(path: str, _: int) -> int:
    return os.open(path, _WRITE_FLAGS, _FILE_MODE)


def _wait_for_lock(lock: int) -> None:
    """Take the lock, or give up if another writer hangs: callers must not wait for it."""
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _SkippedError(SkipReason.BUSY, "another writer holds the lock") from None
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


def _read_account(lock: int) -> int | None:
    """Return the bytes in use, or None if they must be counted."""
    text = os.pread(lock, _ACCOUNT_DIGITS, 0)
    return int(text) if len(text) == _ACCOUNT_DIGITS and text.isdigit() else None


def _write_account(lock: int, used: int) -> None:
    os.pwrite(lock, b"%0*d" % (_ACCOUNT_DIGITS, used), 0)
