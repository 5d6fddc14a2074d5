"""The heap of a serving process: freed memory is kept for the next call."""

import ctypes
from typing import Any, Final

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Parameters of glibc's `mallopt`, from `malloc.h`."""

_SETTINGS: Final = {
    _ARENA_MAX: 1,
    _MMAP_MAX: 0,
    _TRIM_THRESHOLD: -1,
}
"""One heap for all threads, which also holds large blocks and never shrinks by itself.

By default glibc maps each large block anew, and the kernel fills its pages with zeros: a third of
the time of a call with 20,000 frames. `malloc_trim` does not trim the heaps of other threads.
"""


def keep_freed_memory() -> None:
    """Keep freed memory for later use; without glibc, do nothing.

    Call this before a second thread starts, so before numpy is imported. Otherwise that thread
    gets a heap of its own, which later threads share.
    """
    mallopt = find_in_libc("mallopt")
    if mallopt is not None:
        for name, value in _SETTINGS.items():
            mallopt(name, value)


def find_in_libc(name: str) -> Any | None:
    """Return a function of the C library from ctypes, or None if there is no such function.

    Other threads run while it is called.
    """
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # no library of the program itself, as on Windows
        return None
