"""What is freed stays in the process, for what comes next; `heap_keeper` gives it back."""

import ctypes
from typing import Any, Final

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Names of glibc's `mallopt`, from `malloc.h`."""

_SETTINGS: Final = {
    _ARENA_MAX: 1,
    _MMAP_MAX: 0,
    _TRIM_THRESHOLD: -1,
}
"""One heap for all threads, which holds large pieces too and never becomes smaller by itself.

Else glibc maps each large piece anew and has the kernel fill its pages with zeros, which cost a
call of 20,000 frames a third of its time; and of the heaps that it makes for further threads
`malloc_trim` gives nothing back at their ends.
"""


def keep_freed_memory() -> None:
    """Keep what is freed for what comes next; elsewhere than with glibc, do nothing.

    To be called before there is a second thread, so before numpy is imported: else that one has a
    heap of its own by then, and further threads share it.
    """
    mallopt = find_in_libc("mallopt")
    if mallopt is not None:
        for name, value in _SETTINGS.items():
            mallopt(name, value)


def find_in_libc(name: str) -> Any | None:
    """Return a function of the C library as ctypes has it, None where there is no such function.

    Other threads run while it is called.
    """
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # no library of the program itself, as on Windows
        return None
