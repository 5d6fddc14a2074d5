"""Bytes as a page, its dictionary or a directory, unchanged or with corrected checksums."""

from functools import cache

from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.pages import page_owner
from symbolon_server.symbols.paging import directory as directory_format
from symbolon_server.symbols.paging import layout as page_layout
from symbolon_server.symbols.paging.dictionary import MIN_BYTES, PageDictionary, train
from symbolon_server.symbols.paging.directory import decode_directory, directory_owner
from symbolon_server.symbols.paging.envelope import seal, unseal
from symbolon_server.symbols.paging.reader import Page
from tests.fixtures.wordy_symbols import wordy_symbol_file
from tests.fuzz.samples import MODULE_ID, encoded_directories, paged_modules
from tests.fuzz.target import Target

_MOST_ROWS = 50
_KINDS = 5
_OWNER = page_owner("fuzz", 0)


def take(data: bytes) -> None:
    """Read `data`, whose first byte says which kind it is."""
    if not data:
        return
    kind, content = data[0] % _KINDS, data[1:]
    if kind == 0:
        _read_page(content)
    elif kind == 1:
        _read_page(seal(page_layout.MARK, _OWNER, content))
    elif kind == 2:
        _read_directory(content)
    elif kind == 3:
        _read_directory(seal(directory_format.MARK, directory_owner(MODULE_ID), content))
    else:
        _unpack_by(content)


def _read_page(data: bytes) -> None:
    try:
        page = Page.decode(_OWNER, data)
    except DamagedPageError:
        return
    assert page.memory_bytes >= 0
    rows = range(len(page.range_start))
    offsets = [0, 2**64 - 1, *(int(page.range_start[row]) for row in rows[:_MOST_ROWS])]
    for row in {*rows[:_MOST_ROWS], *(page.find_row(offset) for offset in offsets)} - {-1}:
        try:
            page.encoded_answer(row)
            page.answer(row)
        except DamagedPageError:
            continue


def _read_directory(data: bytes) -> None:
    try:
        directory = decode_directory(MODULE_ID, data)
    except DamagedPageError:
        return
    for offset in (0, 1, 2**63, 2**64 - 1):
        number = directory.find_page(offset)
        assert number is None or 0 <= number < directory.page_count


def _unpack_by(data: bytes) -> None:
    """Read a page with `data` in place of the dictionary that it was compressed with."""
    try:
        Page.decode(_OWNER, _page_by_dictionary(), PageDictionary(data))
    except DamagedPageError:
        return


@cache
def _trained() -> PageDictionary:
    content = wordy_symbol_file(MODULE_ID)
    samples = [content[start : start + 10_000] for start in range(0, len(content), 10_000)]
    dictionary = train(samples, 256 * MIN_BYTES)
    assert dictionary is not None
    return dictionary


@cache
def _page_by_dictionary() -> bytes:
    content = unseal(page_layout.MARK, _OWNER, paged_modules()[0].pages[0])
    return seal(page_layout.MARK, _OWNER, content, _trained().zstd)


def _seeds() -> list[bytes]:
    pages = [page for module in paged_modules() for page in module.pages[:1]]
    owner = directory_owner(MODULE_ID)
    directories = encoded_directories()
    return [
        *(b"\0" + page for page in pages),
        *(b"\1" + unseal(page_layout.MARK, _OWNER, page) for page in pages),
        *(b"\2" + directory for directory in directories),
        *(b"\3" + unseal(directory_format.MARK, owner, directory) for directory in directories),
        b"\4" + _trained().zstd.as_bytes(),
    ]


TARGET = Target(take, _seeds, longest=1 + MIN_BYTES)
