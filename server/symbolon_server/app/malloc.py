"""Has the C library give memory back that a serving process no longer needs."""

import ctypes
from contextlib import suppress
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of glibc's `mallopt`, from `malloc.h`."""

_SETTINGS: Final = {
    _ARENA_MAX: 2,
    _MMAP_THRESHOLD: 16 << 20,
    _TRIM_THRESHOLD: 16 << 20,
}
"""glibc makes an arena for each of many threads, and keeps ever larger pieces in them; so there are
two. What they keep is bounded, but larger than any usual answer: memory that is given back is
filled with zeros again page by page, which took a third of the time of answers of 12 MB.

With these, a process that answered calls of 20,000 frames over 2,100 pages settled at 0.4 GB
instead of 0.57 GB, with 256 MiB for pages and frames.
"""


def keep_memory_small() -> None:
    """Set it up for the whole process; elsewhere than with glibc, do nothing."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in _SETTINGS.items():
            mallopt(name, value)
