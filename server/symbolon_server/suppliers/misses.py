"""Remembers what a supplier does not have, so that it is not asked again.

The memory is a fixed table that forks share: a worker creates it, and each of its forks runs one
ingest. A slot has the digest of a path and the time of its miss; a later miss with the same slot
replaces it. One process at a time may write, since a worker has one fork at a time. A writer that
is killed leaves at most one slot that matches no path, or has the time of an earlier miss.
"""

import mmap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from struct import Struct
from typing import Final

from symbolon_server.suppliers.contents.errors import ABSENT, MissingSymbolFileError
from symbolon_server.suppliers.contents.supplier import Supplier, SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath
from symbolon_server.symbols.ground.asked_modules import AskedModule

MISS_SECONDS: Final = 3600.0
"""How long a path is not requested again."""

_SLOTS: Final = 1 << 16
_DIGEST_BYTES: Final = 16
_SLOT: Final = Struct(f"<{_DIGEST_BYTES}sd")

_REMEMBERED: Final = f"was asked within the hour, and {ABSENT}"


class Misses:
    """The paths that were missing within the last hour, as far as they fit."""

    def __init__(self, slots: int = _SLOTS, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember at most `slots` paths; `clock` is shared with forks."""
        self._memory = mmap.mmap(-1, slots * _SLOT.size)
        self._slots = slots
        self._clock = clock

    def add(self, path: CandidatePath) -> None:
        """Note that the path is missing."""
        position, digest = self._place(path)
        _SLOT.pack_into(self._memory, position, digest, self._clock())

    def has(self, path: CandidatePath) -> bool:
        """Return whether the path was missing within the last hour."""
        position, digest = self._place(path)
        found, missed_at = _SLOT.unpack_from(self._memory, position)
        return bool(found == digest and self._clock() - missed_at < MISS_SECONDS)

    def _place(self, path: CandidatePath) -> tuple[int, bytes]:
        digest = blake2b(str(path).encode(), digest_size=_DIGEST_BYTES).digest()
        return int.from_bytes(digest[:8]) % self._slots * _SLOT.size, digest


class SupplierWithMemory:
    """A supplier that is not asked again for what it did not have."""

    def __init__(self, supplier: Supplier, misses: Misses | None = None) -> None:
        """Ask `supplier`, unless `misses` has the path."""
        self._supplier = supplier
        self._misses = misses or Misses()

    @property
    def name(self) -> str:
        """The supplier's name."""
        return self._supplier.name

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        """Return the supplier's candidates."""
        return self._supplier.candidates(asked)

    def lacks(self, asked: AskedModule) -> str:
        """Return what the supplier's layouts need and the request does not have."""
        return self._supplier.lacks(asked)

    @contextmanager
    def fetch(self, candidate: CandidatePath) -> Iterator[SymbolFileStream]:
        """Yield the file; raise at once if it was missing within the last hour."""
        if self._misses.has(candidate):
            raise MissingSymbolFileError(_REMEMBERED)
        try:
            with self._supplier.fetch(candidate) as stream:
                yield stream
        except MissingSymbolFileError as error:
            if str(error).startswith(ABSENT):  # not a pointer file, which is to be told each time
                self._misses.add(candidate)
            raise
