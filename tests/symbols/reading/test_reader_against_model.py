"""The reader and the pages against the model, on generated symbol files."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.symbols.model import Model
from tests.symbols.read_texts import (
    INGEST,
    answers,
    find_in_pages,
    offsets_of_interest,
    read,
)
from tests.symbols.reading.merged_calls import MergedCalls, merged_calls
from tests.symbols.symbol_texts import CROWDED, HUGE, MODULE_ID, ODD, symbol_files


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


@settings(max_examples=400, deadline=None)
@given(symbol_files(CROWDED))
def test_crowded_symbol_files_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=400, deadline=None)
@given(symbol_files(ODD))
def test_oddly_written_symbol_files_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=400, deadline=None)
@given(symbol_files(HUGE))
def test_symbol_files_of_extreme_numbers_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=40, deadline=None)
@given(symbol_files(CROWDED, ODD, HUGE, min_records=100, max_records=200))
def test_longer_symbol_files_answer_like_the_model(text: bytes) -> None:
    check(text)


@settings(max_examples=200, deadline=None)
@given(merged_calls())
def test_calls_merged_over_callers_answer_as_they_were_made(made: MergedCalls) -> None:
    model = Model(made.text)
    table = read(made.text)
    assert table.facts.skipped_records == {}
    find = find_in_pages(write_pages(table, "1-0", INGEST, page_weight=6))
    for offset, expected in made.answers.items():
        assert (table.find(offset), find(offset)) == (expected, expected), offset
        assert model.find(offset) == expected, offset


@settings(max_examples=150, deadline=None)
@given(
    symbol_files(CROWDED, ODD, HUGE),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 5, 50, 10**6]),
    st.sampled_from([66, 100, 1000, 10**6]),
    st.sampled_from([0, 1, 3, 10, 10**6]),
)
def test_the_table_does_not_depend_on_the_pieces_of_the_file(
    text: bytes, chance: random.Random, piece_bytes: int, block_bytes: int, resolve_records: int
) -> None:
    whole = read(text)
    places = [0]
    while places[-1] < len(text):
        places.append(places[-1] + chance.randint(1, piece_bytes))
    cut = [text[place:end] for place, end in pairwise(places)]
    reader = SymbolFileReader(MODULE_ID, block_bytes, resolve_records=resolve_records)
    table = reader.read(cut)
    assert table.facts == whole.facts
    assert answers(table) == answers(whole)


@settings(max_examples=100, deadline=None)
@given(
    symbol_files(CROWDED, ODD), st.sampled_from([1, 7, 100, 10**6]), st.sampled_from([65, 70, 80])
)
def test_which_records_are_too_long_does_not_depend_on_the_pieces_of_the_file(
    text: bytes, piece_bytes: int, max_record_bytes: int
) -> None:
    module_record, records = text.split(b"foo.so", 1)
    long = module_record + records.replace(b"f", b"f" * 40)
    tables = []
    for size in (piece_bytes, len(long)):
        cut = [long[place : place + size] for place in range(0, len(long), size)]
        reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=max_record_bytes)
        tables.append(reader.read(cut))
    assert tables[0].facts == tables[1].facts
    assert answers(tables[0]) == answers(tables[1])
