"""Tells whether pages that a store or a spool has can be used."""

from collections.abc import Collection, Sequence

from symbolon_server.cache.page_stores import PageStore
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.page_reader import Page
from symbolon_server.symbols.pages import PageDirectory, PageKey


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
    keys = [PageKey(module_id, directory.generation, number) for number in covered]
    return all(map(_is_sound, store.get_pages(keys), covered.values()))


def _is_sound(data: bytes | None, module_offsets: Sequence[int]) -> bool:
    if data is None:
        return False
    try:
        page = Page.decode(data)
        rows = {page.find_row(offset) for offset in module_offsets}
        for row in rows:
            page.encoded_answer(row)
    except DamagedPageError:
        return False
    return min(rows) >= 0
