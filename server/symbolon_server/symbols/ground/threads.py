"""Threads of an ingest process, whose memory is limited."""

import mmap
from concurrent.futures import ThreadPoolExecutor
from typing import Final

_THREAD_BYTES: Final = 32 << 20
"""More than a thread allocates when it starts."""


def start_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of this many threads; raise `MemoryError` if there is no room to start them.

    Under a worker's memory limit, starting a thread that gets none blocks its starter forever. This
    maps new memory, as freed memory may be all that is left, and does not touch it, as filling so
    much would take longer than writing a page.
    """
    try:
        mmap.mmap(-1, count * _THREAD_BYTES).close()
    except OSError as error:
        raise MemoryError(error.strerror) from error
    return ThreadPoolExecutor(count, name)
