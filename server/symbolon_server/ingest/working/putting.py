"""Puts a module's pages into the store, in steps that never hold it up for long."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.directory import encode_directory

STEP_BYTES = 1 << 20
"""A Redis takes a MiB in about a millisecond, and answers others between two steps."""

_PAGES_PER_READ = 200
"""About a step's worth of pages at 3 to 7 KB."""

PageReader = Callable[[Sequence[PageKey]], Sequence[bytes | None]]
"""Returns pages in the order asked, None for one that is gone."""


def put_module(
    store: PageStore,
    module_id: ModuleId,
    directory: PageDirectory,
    read_pages: PageReader,
    wanted: Collection[int],
) -> bool:
    """Put pages, then the directory; return False, without a directory, if a page is gone.

    The pages that cover the module offsets in `wanted` are put whatever happens, the others
    while the store has room: a full one would have to push out what others ask for.
    """
    numbers = pages_for(directory, wanted)
    if not _put_pages(store, module_id, directory, read_pages, numbers, needs_room=False):
        return False
    others = sorted(set(range(directory.stored_count)) - set(numbers))
    if not _put_pages(store, module_id, directory, read_pages, others, needs_room=True):
        return False
    store.put_directories({module_id: encode_directory(module_id, directory)})
    return True


def pages_for(directory: PageDirectory, module_offsets: Collection[int]) -> list[int]:
    """Return the numbers of the pages that answer for these offsets, ascending, each once.

    The last is the dictionary that these pages need.
    """
    found = {directory.find_page(offset) for offset in module_offsets} - {None}
    if found and directory.has_dictionary:
        found.add(directory.page_count)
    return sorted(number for number in found if number is not None)


def page_keys(
    module_id: ModuleId, directory: PageDirectory, numbers: Iterable[int]
) -> list[PageKey]:
    """Return the keys of a module's pages."""
    return [PageKey(module_id, directory.generation, number) for number in numbers]


def _put_pages(
    store: PageStore,
    module_id: ModuleId,
    directory: PageDirectory,
    read_pages: PageReader,
    numbers: Sequence[int],
    *,
    needs_room: bool,
) -> bool:
    keys = page_keys(module_id, directory, numbers)
    for step in _steps(keys, read_pages):
        if step is None:
            return False
        if needs_room and not store.has_room():
            return True
        store.put_pages(step)
    return True


def _steps(
    keys: Sequence[PageKey], read_pages: PageReader
) -> Iterator[dict[PageKey, bytes] | None]:
    """Return the pages in steps of about `STEP_BYTES`; None in the place of one that is gone."""
    step: dict[PageKey, bytes] = {}
    for start in range(0, len(keys), _PAGES_PER_READ):
        some = keys[start : start + _PAGES_PER_READ]
        for key, page in zip(some, read_pages(some), strict=True):
            if page is None:
                yield None
                return
            step[key] = page
            if sum(map(len, step.values())) >= STEP_BYTES:
                yield step
                step = {}
    if step:
        yield step
