"""Uses of the functions of one debug file, over all its builds: a hash table of fixed size.

Each function has a fingerprint: a tag, and two slots that it may take. A slot holds the tag, the
mean interval between uses as a logarithm, and the time of the last use. A new function takes the
empty slot of its two, or else the one of the function that is used less.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

SLOT_BYTES: Final = 8

INTERVAL_STEPS: Final = 2048
"""Steps of a stored interval for each doubling of it."""

EMPTY, USED_ONCE, FIRST_INTERVAL = 0, 1, 2
"""What a slot has in place of an interval, and the number that stands for an interval of 0."""

_FEWEST_SLOTS: Final = 16
_MOST_SLOTS: Final = 16_384
"""A table takes at most 128 KiB."""

_SLOTS_PER_PAGE: Final = 2

_SLOT: Final = np.dtype([("tag", ">u2"), ("interval", ">u2"), ("last", ">u4")])

_FINGERPRINT_BYTES: Final = 6

Fingerprints = NDArray[np.uint16]
"""Shape (functions, 3): the tag, and two numbers that select the slots."""


def slots_for(pages: int) -> int:
    """Return the number of slots of a new table for a module of so many pages."""
    return min(max(_SLOTS_PER_PAGE * pages, _FEWEST_SLOTS), _MOST_SLOTS)


def fingerprint(function: bytes) -> bytes:
    """Return the fingerprint of a function by its name, as the scripts take it."""
    return hashlib.blake2b(function, digest_size=_FINGERPRINT_BYTES).digest()


def fingerprints_of(functions: Iterable[bytes]) -> Fingerprints:
    """Return the fingerprints of functions by their names."""
    joined = b"".join(map(fingerprint, functions))
    return np.frombuffer(joined, ">u2").reshape(-1, 3).astype(np.uint16)


def expected_seconds(table: bytes, functions: Fingerprints, now: float) -> NDArray[np.float64]:
    """Return for each function in how many seconds it is probably asked for again.

    Infinite for a function without a known use. `now` is in Unix seconds, `table` as the cache has
    it; one whose length is wrong has no uses. Shape (functions,).
    """
    expected = np.full(len(functions), np.inf)
    if not table or len(table) % SLOT_BYTES:
        return expected
    slots = np.frombuffer(table, _SLOT)
    for column in (2, 1):  # the first slot counts if both have the tag
        found = slots[functions[:, column] % len(slots)]
        is_known = (found["tag"] == functions[:, 0]) & (found["interval"] != EMPTY)
        expected[is_known] = _expected(found[is_known], now)
    return expected


def _expected(slots: NDArray[np.void], now: float) -> NDArray[np.float64]:
    idle = np.maximum(now - slots["last"].astype(np.float64), 0.0)
    steps = slots["interval"].astype(np.float64) - FIRST_INTERVAL
    interval = np.exp2(steps / INTERVAL_STEPS) - 1.0
    return np.where(slots["interval"] == USED_ONCE, 2.0 * idle, np.maximum(interval, idle))
