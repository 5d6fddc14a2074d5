"""Bytes as a page or a page directory, as they come from the store, and with a right checksum."""

from symbolon_server.symbols import directory_format, page_layout
from symbolon_server.symbols.directory_format import decode_directory
from symbolon_server.symbols.envelope import seal, unseal
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.page_reader import Page
from tests.fuzz.samples import encoded_directories, paged_modules
from tests.fuzz.target import Target

_MOST_ROWS = 50
_KINDS = 4


def take(data: bytes) -> None:
    """Read `data`, whose first byte says as what."""
    if not data:
        return
    kind, content = data[0] % _KINDS, data[1:]
    if kind == 0:
        _read_page(content)
    elif kind == 1:
        _read_page(seal(page_layout.MARK, content))
    else:
        _read_directory(content if kind == 2 else seal(directory_format.MARK, content))


def _read_page(data: bytes) -> None:
    try:
        page = Page.decode(data)
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
        directory = decode_directory(data)
    except DamagedPageError:
        return
    for offset in (0, 1, 2**63, 2**64 - 1):
        number = directory.find_page(offset)
        assert number is None or 0 <= number < directory.page_count


def _seeds() -> list[bytes]:
    pages = [page for module in paged_modules() for page in module.pages[:3]]
    directories = encoded_directories()
    return [
        *(b"\0" + page for page in pages),
        *(b"\1" + unseal(page_layout.MARK, page) for page in pages),
        *(b"\2" + directory for directory in directories),
        *(b"\3" + unseal(directory_format.MARK, directory) for directory in directories),
    ]


TARGET = Target(take, _seeds, longest=8_192)
