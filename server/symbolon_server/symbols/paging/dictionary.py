"""The page dictionary: what the pages of a module have in common, as a zstd dictionary.

Pages are small, so that a call fetches little and the store keeps little that is never requested.
But names, and sequences of inline frames and lines, repeat on many pages of a module. The
dictionary has them once. It is stored like a page, with the number after the last one.
"""

from collections.abc import Sequence
from typing import Final, Self

import zstandard

from symbolon_server.symbols.paging.envelope import LEVEL, seal, unseal
from symbolon_server.symbols.paging.layout import MARK

MAX_BYTES: Final = 112 << 10
"""The largest dictionary, as by default in the zstd program: 17 to 30 KB when compressed."""

MIN_BYTES: Final = 16 << 10
"""The smallest dictionary; a module that would need less has none."""

_CONTENT_SHARE: Final = 256
"""A dictionary has this fraction of the size of all pages, within these two limits."""

_TIMES_SAMPLES: Final = 10
"""The samples must be at least this many times as large as the dictionary to be useful. With very
few samples zstd's trainer divides by zero."""

_SEGMENT_BYTES: Final = 1_000
_KMER_BYTES: Final = 8
_TABLE_BITS: Final = 20
"""Parameters of zstd's trainer: it looks for repeated k-mers in segments of this size."""

_DERIVED_BYTES: Final = 30_000
"""The memory for zstd's decompression tables and the Python objects."""


class PageDictionary:
    """A page dictionary. Thread-safe."""

    def __init__(self, data: bytes) -> None:
        """Take what `train` returned; invalid data is detected when a page is unpacked with it."""
        self.zstd = zstandard.ZstdCompressionDict(data)

    @classmethod
    def decode(cls, owner: bytes, data: bytes) -> Self:
        """Return the dictionary in `data`; raise `DamagedPageError` if it is damaged."""
        return cls(unseal(MARK, owner, data))

    def encode(self, owner: bytes) -> bytes:
        """Return the dictionary as bytes for `decode`."""
        return seal(MARK, owner, self.zstd.as_bytes())

    @property
    def memory_bytes(self) -> int:
        """Size in memory."""
        return len(self.zstd) + _DERIVED_BYTES


def train(samples: Sequence[bytes], content_bytes: int) -> PageDictionary | None:
    """Return a dictionary for pages of `content_bytes` in total, or None if it would not pay.

    `samples` are the contents of some of these pages.
    """
    size = min(MAX_BYTES, content_bytes // _CONTENT_SHARE)
    if size < MIN_BYTES or sum(map(len, samples)) < _TIMES_SAMPLES * size:
        return None
    try:
        trained = zstandard.train_dictionary(
            size,
            list(samples),
            k=_SEGMENT_BYTES,
            d=_KMER_BYTES,
            f=_TABLE_BITS,
            accel=1,
            level=LEVEL,
        )
    except zstandard.ZstdError:  # the samples have too little in common
        return None
    dictionary = PageDictionary(trained.as_bytes())
    dictionary.zstd.precompute_compress(level=LEVEL)  # once, not for each `Packer`
    return dictionary
