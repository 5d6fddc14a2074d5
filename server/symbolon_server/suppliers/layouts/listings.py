"""Caches directory listings for a short time, for searches that ignore case.

The cache is a fixed piece of memory that forks share: a worker creates it, and each of its forks
runs one ingest. It contains the number of bytes in use, then records, each a head and the names in
one directory:

    /<name in lower case>NUL<name>/<name in lower case>NUL<name>...

A name contains neither slash nor NUL. A full cache is emptied. One process at a time may write,
since a worker has one fork at a time; a writer that is killed leaves no partial record.
"""

import mmap
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

MAX_BYTES = 16 * 1024 * 1024
"""Some 150,000 names of 50 characters; a larger directory is listed each time."""

MAX_LISTINGS = 1000
"""Searching so many heads takes less than a millisecond."""

LISTING_SECONDS = 10.0
"""Maximum age of a listing: on some file systems a directory's time does not show all changes."""

SETTLED_SECONDS = 2.0
"""A directory is cached only if its last change is older than this: modification times have a
resolution of 2 s on some file systems, and must show any further change."""

_USED = Struct("<Q")
_HEAD = Struct("<QQqdQ")

ListNames = Callable[[int], Iterable[str]]


class _Head(NamedTuple):
    device: int
    inode: int
    changed_at: int
    listed_at: float
    size: int
    """Bytes of names after it."""


class Listings:
    """Finds names in directories regardless of case, with a short-lived cache."""

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        list_names: ListNames | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Cache in `max_bytes`; `clock` is shared with forks, `now` is the clock of file times."""
        self._memory = mmap.mmap(-1, max_bytes)
        self._use(_USED.size)
        self._list_names = list_names or _list_names
        self._clock = clock
        self._now = now

    def find(self, folder: Path, name: str) -> list[str]:
        """Return the names in `folder` that differ from `name` in case at most, sorted.

        Raises `OSError` if the folder cannot be listed.
        """
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            names = self._recall(status, name)
            return sorted(self._list(descriptor, status, name) if names is None else names)
        finally:
            os.close(descriptor)

    def _recall(self, status: os.stat_result, name: str) -> list[str] | None:
        """Return the matching names, or None without a cached listing."""
        version = (status.st_dev, status.st_ino, status.st_mtime_ns)
        oldest = self._clock() - LISTING_SECONDS
        for start, head in self._heads():
            if head[:3] == version and head.listed_at > oldest:
                return list(self._search(name, start, start + head.size))
        return None

    def _heads(self) -> Iterator[tuple[int, _Head]]:
        """Yield the position of each record's names, and its head."""
        position, (end,) = _USED.size, _USED.unpack_from(self._memory)
        while position < end:
            head = _Head(*_HEAD.unpack_from(self._memory, position))
            yield position + _HEAD.size, head
            position += _HEAD.size + head.size

    def _search(self, name: str, start: int, end: int) -> Iterator[str]:
        wanted = b"/%b\0" % _encode(name.lower())
        while (found := self._memory.find(wanted, start, end)) >= 0:
            name_start = found + len(wanted)
            name_end = self._memory.find(b"/", name_start, end)
            start = end if name_end < 0 else name_end
            yield self._memory[name_start:start].decode(errors="surrogateescape")

    def _list(self, descriptor: int, status: os.stat_result, name: str) -> list[str]:
        """List the directory; cache its names if they fit and it has not changed just now."""
        wanted, found, text = name.lower(), [], bytearray()
        listed_at = self._clock()
        is_settled = self._now() - status.st_mtime > SETTLED_SECONDS
        for other in self._list_names(descriptor):
            lower = other.lower()
            if lower == wanted:
                found.append(other)
            if is_settled and len(text) <= len(self._memory):
                text += b"/%b\0%b" % (_encode(lower), _encode(other))
        if is_settled:
            version = (status.st_dev, status.st_ino, status.st_mtime_ns)
            self._remember(_Head(*version, listed_at, len(text)), text)
        return found

    def _use(self, end: int) -> None:
        """Set the end of the records, in one atomic step."""
        _USED.pack_into(self._memory, 0, end)

    def _remember(self, head: _Head, text: bytearray) -> None:
        """Append a record, or empty the cache first if it does not fit."""
        (start,) = _USED.unpack_from(self._memory)
        is_full = start + _HEAD.size + head.size > len(self._memory)
        if is_full or sum(1 for _ in self._heads()) >= MAX_LISTINGS:
            start = _USED.size
        end = start + _HEAD.size + head.size
        if end > len(self._memory):
            return
        self._use(start)  # later records are overwritten
        self._memory[start:end] = _HEAD.pack(*head) + text
        self._use(end)


def _list_names(descriptor: int) -> Iterator[str]:
    with os.scandir(descriptor) as entries:
        for entry in entries:
            yield entry.name


def _encode(name: str) -> bytes:
    return name.encode(errors="surrogateescape")
