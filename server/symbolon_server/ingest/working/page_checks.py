"""Tells whether pages that a store or a spool has can be used."""

from collections.abc import Collection, Sequence

from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.reader import Page


def has_sound_pages(
    store: PageStore,
    module_id: ModuleId,
    directory: PageDirectory,
    module_offsets: Collection[int],
) -> bool:
    """Return whether a store has the pages that cover these offsets, and they answer for them.

    Each offset is looked up: that the numbers of a page with a right checksum do not fit each
    other is seen in no other way.
    """
    covered: dict[int, list[int]] = {}
    for offset in module_offsets:
        number = directory.find_page(offset)
        if number is not None:
            covered.setdefault(number, []).append(offset)
    if not covered:
        return True
    keys = [PageKey(module_id, directory.generation, number) for number in covered]
    try:
        dictionary = _read_dictionary(store, directory.dictionary_key(module_id))
    except DamagedPageError:
        return False
    return all(
        _is_sound(key, data, dictionary, offsets)
        for key, data, offsets in zip(keys, store.get_pages(keys), covered.values(), strict=True)
    )


def _read_dictionary(store: PageStore, key: PageKey | None) -> PageDictionary | None:
    """Return the page dictionary of this key; without it no page can be read."""
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
