"""A module's pages in the store: whether they are sound, and how they get there.

Pages are put in steps that never block the store for long.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from symbolon_server.insertion.ages import (
    ALL_NEW,
    InsertionTerms,
    PageFunctions,
    insertion_ages,
    no_functions,
    plain_ages,
)
from symbolon_server.store.page_stores import AgingPageStore, PageStore
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.reader import Page
from symbolon_server.telemetry.tracing.spans import spanned

STEP_BYTES = 1 << 20
"""Redis takes a MiB in about a millisecond, and serves other clients between two steps."""

_PAGES_PER_READ = 200
"""About a step's worth of pages of 3 to 7 KB."""

ReadFunctions = Callable[[], PageFunctions]

PageReader = Callable[[Sequence[PageKey]], Sequence[bytes | None]]
"""Returns pages in the order of their keys, or None for a missing one."""


class PageAge(Enum):
    """How a page is put."""

    NEW = "new"
    AGED = "aged"
    LEFT_OUT = "left_out"


CountPages = Callable[[PageAge, int], None]


def count_nothing(_age: PageAge, _pages: int) -> None:
    """Count nothing."""


class StorableModule(NamedTuple):
    """A module as it is put into the store."""

    module_id: ModuleId
    directory: PageDirectory
    encoded_directory: bytes
    read_pages: PageReader
    read_functions: ReadFunctions = no_functions
    """Reads the functions of its pages, where their uses decide how old a page is put."""


@spanned("put pages")
def put_module(
    store: AgingPageStore,
    module: StorableModule,
    wanted: Collection[int],
    terms: InsertionTerms = ALL_NEW,
    count: CountPages = count_nothing,
) -> bool:
    """Put pages, then the directory; return False, without a directory, if a page is missing.

    The pages that cover the module offsets in `wanted` are put first and as new, then the others,
    the hottest first, each with its insertion age under these `terms`. `count` is told of each.
    """
    directory = module.directory
    ages = insertion_ages(terms, directory.page_count, module.read_functions)
    if terms.eviction_age is not None and not store.takes_ages():
        ages = plain_ages(terms, ages)
    ages = np.append(ages, np.zeros(directory.stored_count - directory.page_count))
    numbers = pages_for(directory, wanted)
    ages[numbers] = -1.0  # the first ones
    order = np.argsort(ages, kind="stable")
    ages = ages[order]
    put = np.isfinite(ages)
    keys = page_keys(module.module_id, directory, order[put].tolist())
    idle_seconds = np.maximum(ages[put], 0.0).astype(np.int64).tolist()
    for age, pages in zip(PageAge, _count_ages(idle_seconds, len(ages)), strict=True):
        count(age, pages)
    return _put(store, module, dict(zip(keys, idle_seconds, strict=True)))


@spanned("put pages")
def put_wanted_pages(
    store: AgingPageStore,
    module: StorableModule,
    wanted: Collection[int],
    count: CountPages = count_nothing,
) -> bool:
    """Put the pages that cover these module offsets as new; return what `put_module` does.

    For a module whose other pages the store has, or has evicted: putting them again would make
    those in use older.
    """
    numbers = pages_for(module.directory, wanted)
    keys = page_keys(module.module_id, module.directory, numbers)
    count(PageAge.NEW, len(keys))
    return _put(store, module, dict.fromkeys(keys, 0))


def _count_ages(idle_seconds: Sequence[int], pages: int) -> tuple[int, int, int]:
    """Return how many of so many pages are new, aged and left out."""
    new = idle_seconds.count(0)
    return new, len(idle_seconds) - new, pages - len(idle_seconds)


def _put(
    store: AgingPageStore, module: StorableModule, idle_seconds: Mapping[PageKey, int]
) -> bool:
    """Put pages with their ages, then the directory, unless a page is missing."""
    for step in _steps(list(idle_seconds), module.read_pages):
        if step is None:
            return False
        store.put_aged_pages(step, idle_seconds)
    store.put_directories({module.module_id: module.encoded_directory})
    return True


def pages_for(directory: PageDirectory, module_offsets: Collection[int]) -> list[int]:
    """Return the distinct numbers of the pages that answer for these offsets, ascending.

    The last is the dictionary that these pages need, if there is one.
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


def _steps(
    keys: Sequence[PageKey], read_pages: PageReader
) -> Iterator[dict[PageKey, bytes] | None]:
    """Yield the pages in steps of about `STEP_BYTES`, and None in place of a missing page."""
    step: dict[PageKey, bytes] = {}
    step_bytes = 0
    for start in range(0, len(keys), _PAGES_PER_READ):
        some = keys[start : start + _PAGES_PER_READ]
        for key, page in zip(some, read_pages(some), strict=True):
            if page is None:
                yield None
                return
            step[key] = page
            step_bytes += len(page)
            if step_bytes >= STEP_BYTES:
                yield step
                step, step_bytes = {}, 0
    if step:
        yield step


def has_sound_pages(
    store: PageStore,
    module_id: ModuleId,
    directory: PageDirectory,
    module_offsets: Collection[int],
) -> bool:
    """Return whether a store has pages that cover these offsets and can answer for them.

    Each offset is looked up: a page with a correct checksum may still have inconsistent numbers,
    and only a lookup detects that.
    """
    covered: dict[int, list[int]] = {}
    for offset in module_offsets:
        number = directory.find_page(offset)
        if number is not None:
            covered.setdefault(number, []).append(offset)
    if not covered:
        return True
    keys = page_keys(module_id, directory, covered)
    try:
        dictionary = _read_dictionary(store, directory.dictionary_key(module_id))
    except DamagedPageError:
        return False
    return all(
        _is_sound(key, data, dictionary, offsets)
        for key, data, offsets in zip(keys, store.get_pages(keys), covered.values(), strict=True)
    )


def _read_dictionary(store: PageStore, key: PageKey | None) -> PageDictionary | None:
    """Return the page dictionary stored under `key`, without which no page can be read."""
    if key is None:
        return None
    (data,) = store.get_pages([key])
    return None if data is None else PageDictionary.decode(key.owner, data)


def _is_sound(
    key: PageKey,
    data: bytes | None,
    dictionary: PageDictionary | None,
    module_offsets: Sequence[int],
) -> bool:
    if data is None:
        return False
    try:
        page = Page.decode(key.owner, data, dictionary)
        rows = {page.find_row(offset) for offset in module_offsets}
        for row in rows:
            page.encoded_answer(row)
    except DamagedPageError:
        return False
    return min(rows) >= 0
