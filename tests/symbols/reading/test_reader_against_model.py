"""The reader and the pages against the model, on generated symbol files."""

from hypothesis import given, settings

from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.paging.writer import write_pages
from tests.symbols.model import Model
from tests.symbols.read_texts import INGEST, find_in_pages, offsets_of_interest, read
from tests.symbols.symbol_texts import CROWDED, HUGE, ODD, symbol_files


def kind(answer: Answer | None) -> tuple[bool, int] | None:
    """Return the fields that comparing answers ignores: whether it is public, and the size."""
    return None if answer is None else (answer.is_public, answer.function_size)


def check(text: bytes) -> None:
    """Compare reader and pages with the model wherever an answer may change."""
    model = Model(text)
    table = read(text)
    assert table.facts.skipped_records == {kind: n for kind, n in model.skipped.items() if n}
    find_in_one_page = find_in_pages(write_pages(table, "1-0", INGEST))
    find_in_small_pages = find_in_pages(write_pages(table, "1-0", INGEST, page_weight=6))
    for offset in offsets_of_interest(model):
        expected = model.find(offset)
        for find in (table.find, find_in_one_page, find_in_small_pages):
            found = find(offset)
            assert found == expected, offset
            assert kind(found) == kind(expected), offset


@settings(max_examples=250, deadline=None)
@given(symbol_files(CROWDED))
def test_crowded_symbol_files_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=250, deadline=None)
@given(symbol_files(ODD))
def test_oddly_written_symbol_files_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=250, deadline=None)
@given(symbol_files(HUGE))
def test_symbol_files_of_extreme_numbers_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=25, deadline=None)
@given(symbol_files(CROWDED, ODD, HUGE, min_records=100, max_records=200))
def test_longer_symbol_files_answer_like_the_model(text: bytes) -> None:
    check(text)
