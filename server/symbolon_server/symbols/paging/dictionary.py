"""What the pages of a module have in common, told to zstd before it packs or unpacks one of them.

Pages are small, so that a call fetches little and a store keeps little that nobody asks for. But
names, and the ways in which inline frames and lines follow each other, come again on many pages of
a module: without a dictionary each would hold them anew. It is stored like a page, with the
number after the last one's.
"""

from collections.abc import Sequence
from typing import Final, Self

import zstandard

from symbolon_server.symbols.paging.envelope import LEVEL, seal, unseal
from symbolon_server.symbols.paging.layout import MARK

MAX_BYTES: Final = 112 << 10
"""Of a dictionary, the default of zstd's own program: 17 to 30 KB when compressed."""

MIN_BYTES: Final = 16 << 10
"""A module for which a smaller one would do has none."""

_CONTENT_SHARE: Final = 256
"""A dictionary has this part of the bytes of all pages, between those two bounds."""

_TIMES_SAMPLES: Final = 10
"""A dictionary of so many times fewer bytes than the samples is worth something; and zstd's trainer
divides by zero where there is next to nothing to choose from."""

_SEGMENT_BYTES: Final = 1_000
_KMER_BYTES: Final = 8
_TABLE_BITS: Final = 20
"""What zstd's trainer looks for: this many bytes that come again, in segments of that size."""

_DERIVED_BYTES: Final = 30_000
"""What zstd makes of a dictionary in order to unpack by it, and the objects around it."""


class PageDictionary:
    """A dictionary; any number of threads may use it."""

    def __init__(self, data: bytes) -> None:
        """Take what `train` made; who unpacks by it finds out whether it is a dictionary."""
        self.zstd = zstandard.ZstdCompressionDict(data)

    @classmethod
    def decode(cls, owner: bytes, data: bytes) -> Self:
        """Return what `data` has as a dictionary; raise `DamagedPageError` where it is damaged."""
        return cls(unseal(MARK, owner, data))

    def encode(self, owner: bytes) -> bytes:
        """Return the dictionary as bytes that `decode` reads."""
        return seal(MARK, owner, self.zstd.as_bytes())

    @property
    def memory_bytes(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.zstd) + _DERIVED_BYTES


def train(samples: Sequence[bytes], content_bytes: int) -> PageDictionary | None:
    """Return a dictionary for pages of `content_bytes` in all, of which `samples` are some.

    None where it would not pay.
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
    dictionary.zstd.precompute_compress(level=LEVEL)  # once, and not for each `Packer`
    return dictionary
