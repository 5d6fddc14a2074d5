"""Compresses pages while they are written, on two cores."""

import mmap
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from symbolon_server.symbols.paging.contents import Rows
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.envelope import Packer

_BATCH: Final = 24
"""Pages at once: one by one each takes three times as long to write, as numpy has to begin anew for
each; twice as many would save nothing more, and take 10 MB more in each thread."""

_THREADS: Final = 2

_THREAD_BYTES: Final = 32 << 20
"""More than a thread takes at its start."""

_T = TypeVar("_T")

Contents = Iterable[tuple[Rows, bytes]]
"""Contents of pages with their rows; may be written only as they are taken."""


def batches(pages: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield `pages` as stretches to be written and packed at once."""
    for place in range(0, len(pages), _BATCH):
        yield pages[place : place + _BATCH]


def pack_all(
    contents: Iterable[Contents], dictionary: PageDictionary | None
) -> Iterator[tuple[Rows, bytes]]:
    """Yield pages in their order, compressed, with their rows.

    Each of `contents` is taken by one thread. Raises `MemoryError` where there is no room for one.
    """

    def pack(some: Contents) -> list[tuple[Rows, bytes]]:
        packer = Packer(None if dictionary is None else dictionary.zstd)
        return [(rows, packer.pack(content)) for rows, content in some]

    given = list(contents)
    if len(given) <= 1:
        yield from (page for some in given for page in pack(some))
        return
    _check_room_for_threads()
    with ThreadPoolExecutor(_THREADS, "pack-pages") as pool:
        for some in pool.map(pack, given):
            yield from some


def _check_room_for_threads() -> None:
    """Raise `MemoryError` where a thread could not begin: who starts it would wait for ever.

    Ask for new memory, and leave it empty: what was freed may be all that there is, and to fill so
    much would take longer than to write a page.
    """
    try:
        mmap.mmap(-1, _THREADS * _THREAD_BYTES).close()
    except OSError as error:
        raise MemoryError(error.strerror) from error
