"""The dictionary with which the pages of a large module are compressed."""

from random import Random

import pytest

from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.pages import PagedModule, page_owner
from symbolon_server.symbols.paging.dictionary import (
    MAX_BYTES,
    MIN_BYTES,
    PageDictionary,
    train,
)
from symbolon_server.symbols.paging.envelope import seal, unseal
from symbolon_server.symbols.paging.layout import MARK
from symbolon_server.symbols.paging.reader import Page
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.paging import decode_pages
from tests.fixtures.wordy_symbols import wordy_symbol_file
from tests.symbols.read_texts import INGEST, read
from tests.symbols.symbol_texts import MODULE_ID

GENERATION = "5-0123456789abcdef"
_WEIGHT = 256


@pytest.fixture(scope="module")
def table() -> SymbolTable:
    return read(wordy_symbol_file(MODULE_ID))


@pytest.fixture(scope="module")
def module(table: SymbolTable) -> PagedModule:
    return write_pages(table, GENERATION, INGEST, _WEIGHT)


def owner(module: PagedModule, number: int) -> bytes:
    return page_owner(module.directory.generation, number)


def test_pages_compressed_with_a_dictionary_answer_like_the_table(
    table: SymbolTable, module: PagedModule
) -> None:
    assert module.directory.has_dictionary
    pages = decode_pages(module)
    for offset in Random(1).sample(table.ranges.start.tolist(), 500):
        number = module.directory.find_page(offset)
        assert number is not None
        assert pages[number].find(offset) == table.find(offset)


def test_pages_and_their_dictionary_are_smaller_than_pages_without_one(
    table: SymbolTable, module: PagedModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symbolon_server.symbols.paging.dictionary.MIN_BYTES", MAX_BYTES + 1)
    alone = write_pages(table, GENERATION, INGEST, _WEIGHT)
    assert not alone.directory.has_dictionary
    assert alone.directory.first_offsets.tolist() == module.directory.first_offsets.tolist()
    assert module.directory.stored_bytes < 0.97 * alone.directory.stored_bytes
    assert module.directory.stored_bytes == sum(map(len, module.pages))


def test_the_same_table_makes_the_same_pages(table: SymbolTable, module: PagedModule) -> None:
    assert write_pages(table, GENERATION, INGEST, _WEIGHT).pages == module.pages


def test_a_page_is_not_read_without_its_dictionary_or_with_another(module: PagedModule) -> None:
    other = train(list(module.pages), 256 * MIN_BYTES)
    assert other is not None
    raw = PageDictionary(b"the quick brown fox jumps over the lazy dog")
    for dictionary in (None, other, raw):
        with pytest.raises(DamagedPageError):
            Page.decode(owner(module, 0), module.pages[0], dictionary)


def test_a_dictionary_is_decoded_as_it_was_encoded(module: PagedModule) -> None:
    number = module.directory.page_count
    dictionary = PageDictionary.decode(owner(module, number), module.pages[number])
    assert dictionary.encode(owner(module, number)) == module.pages[number]
    assert MIN_BYTES <= len(dictionary.zstd) <= MAX_BYTES
    assert dictionary.memory_bytes > len(dictionary.zstd)


def test_a_dictionary_with_a_flipped_bit_is_refused_or_harmless(
    module: PagedModule,
) -> None:
    number = module.directory.page_count
    data = PageDictionary.decode(owner(module, number), module.pages[number]).zstd.as_bytes()
    refused = 0
    for place in range(0, 300, 7):
        spoilt = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            Page.decode(owner(module, 0), module.pages[0], PageDictionary(spoilt)).find(0)
        except DamagedPageError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("samples", [[], [b""], [b"x"] * 10, [bytes([n]) for n in range(200)]])
def test_too_few_samples_make_no_dictionary(samples: list[bytes]) -> None:
    assert train(samples, 1 << 30) is None


def test_a_dictionary_of_identical_samples_works() -> None:
    dictionary = train([bytes(10_000)] * 200, 1 << 30)
    assert dictionary is not None
    sealed = seal(MARK, b"owner", bytes(5_000), dictionary.zstd)
    assert unseal(MARK, b"owner", sealed, dictionary.zstd) == bytes(5_000)


def test_a_small_module_has_no_dictionary(module: PagedModule) -> None:
    samples = list(module.pages)
    assert train(samples, 256 * MIN_BYTES - 1) is None
    trained = train(samples, 256 * MIN_BYTES)
    assert trained is not None
    assert len(trained.zstd) == MIN_BYTES
