"""The reader on files that arrive in pieces: it does not matter where they are cut."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.symbols.read_texts import answers, read
from tests.symbols.symbol_texts import CROWDED, HUGE, MODULE_ID, ODD, symbol_files


@settings(max_examples=30, deadline=None)
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


@settings(max_examples=30, deadline=None)
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
