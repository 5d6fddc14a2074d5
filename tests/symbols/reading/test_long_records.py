"""Records that are too long."""

import pytest

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.symbols.read_texts import FILE, FUNCTION, LINE, answer, place
from tests.symbols.symbol_texts import MODULE_ID, MODULE_RECORD


def test_a_record_that_is_too_long_is_skipped_and_counted_once() -> None:
    reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=100)
    long = b"FILE 1 " + b"x" * 1000
    text = b"\n".join([MODULE_RECORD, FILE, FUNCTION, long, LINE, b""])
    table = reader.read([bytes([byte]) for byte in text])
    assert table.facts.skipped_records == {"FILE": 1}
    assert place(table) == ("f", "a.c", 5)


def test_a_record_of_maximum_length_is_read() -> None:
    text = b"\n".join([MODULE_RECORD, b"PUBLIC 1000 0 " + b"p" * 86])
    reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=100)
    assert answer(reader.read([text]), 0x1000).function == "p" * 86
    reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=99)
    assert reader.read([text]).facts.skipped_records == {"PUBLIC": 1}


@pytest.mark.parametrize("word", [b"FUNC", b"PUBLIC"])
def test_lines_after_a_too_long_function_do_not_belong_to_the_previous_one(
    word: bytes,
) -> None:
    reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=100)
    long = word + b" 2000 10 0 " + b"x" * 1000
    table = reader.read([b"\n".join([MODULE_RECORD, FUNCTION, long, LINE])])
    assert table.facts.skipped_records == {word.decode(): 1, "line": 1}
    assert place(table) == ("f", "", 0)


def test_a_text_without_line_ends_does_not_accumulate_in_memory() -> None:
    reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=100)
    reader.feed(MODULE_RECORD + b"\n")
    for _ in range(100):
        reader.feed(b"x" * 60)
        assert len(reader._text) <= 100
    assert reader.finish().facts.skipped_records == {"unknown": 1}


def test_a_text_without_line_ends_or_module_record_is_refused_before_its_end() -> None:
    reader = SymbolFileReader(MODULE_ID, block_bytes=64, max_record_bytes=100)
    reader.feed(b"x" * 60)
    with pytest.raises(MalformedSymbolFileError, match="does not begin with a MODULE record"):
        reader.feed(b"x" * 60)
