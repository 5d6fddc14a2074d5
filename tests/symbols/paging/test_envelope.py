"""Stored data is either what was written, or detected as damaged."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import zstandard

from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.pages import (
    IngestFacts,
    ModuleFacts,
    PageDirectory,
    PagedModule,
    page_owner,
)
from symbolon_server.symbols.paging import envelope
from symbolon_server.symbols.paging import layout as page_layout
from symbolon_server.symbols.paging.directory import (
    MARK,
    decode_directory,
    directory_owner,
    encode_directory,
)
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION, check_seal, seal, stamp, unseal
from symbolon_server.symbols.paging.file import PageFile, encode_page_file
from symbolon_server.symbols.paging.reader import Page
from symbolon_server.symbols.paging.writer import write_pages
from tests.symbols.read_texts import FILE, FUNCTION, INGEST, LINE, read_records
from tests.symbols.symbol_texts import MODULE_ID

GENERATION = "1-0123456789abcdef"
OWNER = page_owner(GENERATION, 0)


def decode_page(data: bytes) -> Page:
    return Page.decode(OWNER, data)


def read_directory(data: bytes) -> PageDirectory:
    return decode_directory(MODULE_ID, data)


@pytest.fixture(scope="module")
def small_module() -> PagedModule:
    inline = b"INLINE 0 7 0 3 1000 8"
    return write_pages(read_records(FILE, FUNCTION, inline, LINE), GENERATION, INGEST)


@pytest.fixture(scope="module")
def page(small_module: PagedModule) -> bytes:
    return small_module.pages[0]


@pytest.fixture(scope="module")
def directory(small_module: PagedModule) -> bytes:
    return encode_directory(MODULE_ID, small_module.directory)


@pytest.fixture(scope="module")
def page_file(small_module: PagedModule, directory: bytes) -> bytes:
    return b"".join(encode_page_file(directory, small_module.pages))


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield `data` with each bit flipped, truncated at each position, and with a byte appended."""
    for place in range(len(data)):
        yield data[:place]
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
    yield data + b"\0"


def open_page_file(data: bytes) -> PageFile:
    return PageFile(len(data), lambda place, count: data[place : place + count])


def refuses(read: Callable[[bytes], object], data: bytes) -> bool:
    try:
        read(data)
    except DamagedPageError:
        return True
    return False


@pytest.mark.promise("Any damage of a page, a directory or a page file is detected", group="pages")
def test_all_damage_to_a_page_is_detected(page: bytes) -> None:
    assert decode_page(page).find(0x1000) is not None
    assert all(refuses(decode_page, data) for data in damaged(page))
    assert all(
        refuses(lambda data: check_seal(page_layout.MARK, OWNER, data), d) for d in damaged(page)
    )


@pytest.mark.promise("Any damage of a page, a directory or a page file is detected")
def test_all_damage_to_a_directory_is_detected(directory: bytes) -> None:
    assert read_directory(directory).page_count == 1
    assert all(refuses(read_directory, data) for data in damaged(directory))


@pytest.mark.promise("Any damage of a page, a directory or a page file is detected")
def test_all_damage_to_a_page_file_is_detected_where_it_is_read(
    page_file: bytes, directory: bytes, page: bytes
) -> None:
    def read_all(data: bytes) -> None:
        file = open_page_file(data)
        read_directory(file.directory)
        for number in range(file.page_count):
            decode_page(file.page(number))

    read_all(page_file)
    assert all(refuses(read_all, data) for data in damaged(page_file))


def test_all_damage_to_the_table_of_a_page_file_is_detected_before_a_page_is_read(
    page_file: bytes, directory: bytes, page: bytes
) -> None:
    table = len(page_file) - len(directory) - len(page)

    def open_damaged_table(data: bytes) -> None:
        open_page_file(data + page_file[table:])

    assert all(refuses(open_damaged_table, data) for data in damaged(page_file[:table]))


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_a_page_file_returns_its_directory_and_pages(count: int) -> None:
    pages = [bytes([number]) * number for number in range(count)]
    file = open_page_file(b"".join(encode_page_file(b"directory", pages)))
    assert (file.page_count, file.directory) == (count, b"directory")
    assert [file.page(number) for number in range(count)] == pages
    for number in (-1, count):
        with pytest.raises(IndexError):
            file.page(number)


def test_an_envelope_returns_its_content() -> None:
    for content in (b"", b"x", b"x" * 100_000, bytes(range(256)) * 10):
        assert unseal(b"Abc", OWNER, seal(b"Abc", OWNER, content)) == content


def test_data_of_one_kind_is_not_accepted_as_another(page: bytes, directory: bytes) -> None:
    assert refuses(decode_page, directory)
    assert refuses(read_directory, page)
    assert refuses(open_page_file, page)


@pytest.mark.promise("A page or directory under the key of another is refused", group="pages")
def test_data_under_another_owners_key_is_refused(page: bytes, directory: bytes) -> None:
    for generation, number in ((GENERATION, 1), ("1-0123456789abcdee", 0)):
        with pytest.raises(DamagedPageError):
            Page.decode(page_owner(generation, number), page)
    for other in (MODULE_ID._replace(debug_file="bar.so"), MODULE_ID._replace(debug_id="0" * 33)):
        with pytest.raises(DamagedPageError):
            decode_directory(other, directory)


def test_data_of_another_version_is_never_read(
    monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    monkeypatch.setattr(envelope, "FORMAT_VERSION", FORMAT_VERSION + 1)
    assert refuses(decode_page, page)
    newer = seal(page_layout.MARK, OWNER, b"")
    monkeypatch.undo()
    assert refuses(decode_page, newer)


def test_content_that_claims_to_be_too_large_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = seal(b"Abc", OWNER, b"x" * 1001)
    monkeypatch.setattr(envelope, "MAX_CONTENT_BYTES", 1000)
    with pytest.raises(DamagedPageError, match="too large"):
        unseal(b"Abc", OWNER, data)


def test_content_of_an_unknown_size_is_not_unpacked() -> None:
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 1000)
    data = stamp(b"Abc", OWNER, packed)
    with pytest.raises(DamagedPageError):
        unseal(b"Abc", OWNER, data)


@pytest.mark.parametrize("content", [b"", b"x", b"{}\n", b"[]\n\0\0\0\0\0", b'{"facts": 1}\n\0'])
def test_sealed_content_that_is_not_a_page_or_directory_is_damaged(content: bytes) -> None:
    assert refuses(read_directory, seal(MARK, directory_owner(MODULE_ID), content))
    assert refuses(decode_page, seal(page_layout.MARK, OWNER, content))


def test_a_page_with_truncated_content_is_damaged(page: bytes) -> None:
    content = unseal(page_layout.MARK, OWNER, page)
    texts = len(b"fa.c<name omitted>")
    for end in range(len(content) - texts):
        assert refuses(decode_page, seal(page_layout.MARK, OWNER, content[:end])), end


def test_a_directory_is_decoded_as_it_was_encoded() -> None:
    counts = 1, 2, 3, {"FUNC": 4, "line": 5}
    facts = ModuleFacts("Linux", "x86_64", "größe.so\n", "AB", *counts, "elf", False, ("é", ""))
    offsets = np.array([0, 5, 2**32, 2**63, 2**64 - 2], np.uint64)
    given = PageDirectory("1-ab", facts, IngestFacts("a b", 1.5, 2.25, 2**40), 2**41, offsets)
    read = read_directory(encode_directory(MODULE_ID, given))
    assert (read.generation, read.facts, read.ingest) == ("1-ab", facts, given.ingest)
    assert (read.stored_bytes, read.first_offsets.tolist()) == (2**41, offsets.tolist())
    found = [read.find_page(offset) for offset in (0, 4, 5, 2**32 - 1, 2**63, 2**64 - 1)]
    assert found == [0, 0, 1, 1, 3, 4]
