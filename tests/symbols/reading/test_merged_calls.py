"""The reader and the pages on calls that a compiler merged, for which the answers are known."""

from hypothesis import given, settings

from symbolon_server.symbols.paging.writer import write_pages
from tests.symbols.model import Model
from tests.symbols.read_texts import INGEST, find_in_pages, read
from tests.symbols.reading.merged_calls import MergedCalls, merged_calls


@settings(max_examples=30, deadline=None)
@given(merged_calls())
def test_calls_merged_over_callers_answer_as_they_were_made(made: MergedCalls) -> None:
    model = Model(made.text)
    table = read(made.text)
    assert table.facts.skipped_records == {}
    find = find_in_pages(write_pages(table, "1-0", INGEST, page_weight=6))
    for offset, expected in made.answers.items():
        assert (table.find(offset), find(offset)) == (expected, expected), offset
        assert model.find(offset) == expected, offset
