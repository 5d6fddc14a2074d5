"""Symbol files as a whole: their module, their text, their facts."""

import pytest

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.paging.directory import decode_directory, encode_directory
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.symbols.read_texts import (
    FILE,
    FUNCTION,
    INGEST,
    LINE,
    answer,
    answers,
    place,
    read,
    read_records,
    skipped,
)
from tests.symbols.symbol_texts import MODULE_ID, MODULE_RECORD


def test_a_module_record_alone_is_a_module_without_symbols() -> None:
    table = read(MODULE_RECORD)
    assert answers(table) == []
    module = write_pages(table, "1-0", INGEST)
    assert module.pages == ()
    directory = decode_directory(MODULE_ID, encode_directory(MODULE_ID, module.directory))
    assert directory.page_count == 0
    assert directory.find_page(0) is None


@pytest.mark.parametrize("text", [b"", b"\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb", FUNCTION])
def test_a_text_without_a_module_record_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedSymbolFileError, match="no MODULE record"):
        read(text)


def test_a_module_record_of_another_debug_id_is_malformed() -> None:
    with pytest.raises(MalformedSymbolFileError, match="another debug id"):
        read(b"MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF1 foo.so\n")


@pytest.mark.parametrize("record", [b"MODULE ", b"MODULE Linux", b"MODULE Linux x86_64 "])
def test_a_truncated_module_record_is_malformed(record: bytes) -> None:
    with pytest.raises(MalformedSymbolFileError, match="no debug id"):
        read(record)


def test_the_debug_id_of_the_module_record_may_be_in_lower_case() -> None:
    table = read(MODULE_RECORD.replace(b"ABCDEF", b"abcdef"))
    assert (table.facts.os, table.facts.architecture) == ("Linux", "x86_64")


@pytest.mark.parametrize(
    "debug_id",
    [
        *(b"0123456789ABCDEF0123456789ABCDEF", b"0123456789ABCDEF0123456789ABCDEF00"),
        b"{01234567-89ab-cdef-0123-456789abcdef}",
    ],
)
def test_the_debug_id_of_the_module_record_may_have_any_form(debug_id: bytes) -> None:
    module_record = b"MODULE Linux x86_64 " + debug_id + b" foo.so\n"
    assert answer(read(module_record + FUNCTION), 0x1000).function == "f"


def test_a_second_module_record_of_the_same_debug_id_changes_nothing() -> None:
    again = b"MODULE windows x86 0123456789abcdef0123456789abcdef foo.pdb"
    table = read_records(again, FUNCTION)
    assert (table.facts.os, table.facts.skipped_records) == ("Linux", {})
    assert answer(table, 0x1000).function == "f"


def test_a_second_module_record_without_a_debug_id_is_a_bad_record() -> None:
    table = read_records(b"MODULE windows x86", FUNCTION)
    assert table.facts.skipped_records == {"MODULE": 1}
    assert answer(table, 0x1000).function == "f"


OTHERS = (
    *(b"MODULE windows x86 0123456789ABCDEF0123456789ABCDEF1 foo.pdb", b"INFO CODE_ID 5F3 b.exe"),
    *(b"FILE 7 b.c", b"INLINE_ORIGIN 7 b", b"FUNC 5000 10 0 b", b"5000 10 1 7", b"0x5000 10 1 7"),
    *(b"INLINE 0 1 7 7 5000 4", b"PUBLIC 6000 0 b", b"STACK CFI 5000", b"zz", b"", b"FUNC"),
    *(MODULE_RECORD, b"FUNC 7000 10 0 b"),
)
OTHERS_SKIPPED = {
    "MODULE": 2,
    "INFO": 1,
    "FILE": 1,
    "INLINE_ORIGIN": 1,
    "FUNC": 2,
    "line": 1,
    "INLINE": 1,
    "PUBLIC": 1,
    "STACK": 1,
    "unknown": 3,
}


@pytest.mark.parametrize("piece_bytes", [1, 40, 10**6])
@pytest.mark.parametrize("block_bytes", [66, 10**6])
def test_from_a_module_record_of_another_debug_id_on_records_are_skipped_and_counted(
    piece_bytes: int, block_bytes: int
) -> None:
    text = b"\n".join([MODULE_RECORD, FILE, FUNCTION, LINE, *OTHERS])
    pieces = [text[start : start + piece_bytes] for start in range(0, len(text), piece_bytes)]
    table = SymbolFileReader(MODULE_ID, block_bytes).read(pieces)
    assert table.facts.skipped_records == OTHERS_SKIPPED
    assert (table.facts.os, table.facts.code_id, table.facts.module_name) == ("Linux", "", "foo.so")
    assert place(table) == ("f", "a.c", 5)
    assert [found.function for _, found in answers(table) if found is not None] == ["f"]


def test_a_module_record_may_be_of_any_length() -> None:
    text = MODULE_RECORD + b"o" * 3_000_000 + b"\n" + FUNCTION + b"\n"
    pieces = [text[start : start + 100_000] for start in range(0, len(text), 100_000)]
    assert answer(SymbolFileReader(MODULE_ID).read(pieces), 0x1000).function == "f"


def test_a_text_that_begins_without_a_module_record_is_refused_before_its_end() -> None:
    reader = SymbolFileReader(MODULE_ID)
    line = b"x" * 99 + b"\n"
    with pytest.raises(MalformedSymbolFileError, match="does not begin with a MODULE record"):
        reader.feed(line * 25_000)


def test_the_module_record_may_follow_others_in_the_first_block() -> None:
    assert answer(read(FUNCTION + b"\n" + MODULE_RECORD), 0x1000).function == "f"


@pytest.mark.parametrize(
    "text",
    [
        b"\n".join([MODULE_RECORD, FILE, FUNCTION, LINE]),
        b"\n".join([MODULE_RECORD, FILE, FUNCTION, LINE, b""]),
        b"\xef\xbb\xbf" + b"\n".join([MODULE_RECORD, FILE, FUNCTION, LINE]),
        b"\r\n".join([MODULE_RECORD, FILE, FUNCTION, LINE, b""]),
        b"\r\r\n".join([MODULE_RECORD, FILE, FUNCTION, LINE, b""]),
        b"\r".join([MODULE_RECORD, FILE, FUNCTION, LINE]),
        b"\n\n\n".join([b"", MODULE_RECORD, FILE, FUNCTION, LINE, b""]),
    ],
    ids=["no final newline", "newlines", "byte order mark", "CRLF", "CRCRLF", "CR", "blank lines"],
)
def test_line_ends_and_a_byte_order_mark_do_not_matter(text: bytes) -> None:
    table = read(text)
    assert place(table) == ("f", "a.c", 5)
    assert table.facts.skipped_records == {}


def test_nuls_at_the_end_of_a_file_are_padding() -> None:
    table = read(b"\n".join([MODULE_RECORD, FUNCTION, b"\0\0\0"]))
    assert table.facts.skipped_records == {}
    assert answer(read(b"\n".join([MODULE_RECORD, FUNCTION + b"\0"])), 0x1000).function == "f"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"operator<< (int, char const *)", "operator<< (int, char const *)"),
        (b" f  g", " f  g"),
        (b"f ", "f "),
        (b"a\0b", "a_b"),
        ("größe".encode(), "größe"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"\xe2\x82", "\N{REPLACEMENT CHARACTER}"),
        (b"n" * 82_000, "n" * 82_000),
    ],
    ids=["spaces", "two spaces", "last space", "NUL", "UTF-8", "Latin-1", "half a letter", "82 KB"],
)
def test_a_name_is_taken_literally(name: bytes, shown: str) -> None:
    table = read_records(b"FILE 0 " + name, b"FUNC 1000 10 0 " + name, LINE)
    assert place(table) == (shown, shown, 5)
    assert skipped(b"PUBLIC 1000 0 " + name, b"INLINE_ORIGIN 0 x" + name) == {}


def test_names_that_are_shown_alike_answer_alike() -> None:
    table = read_records(b"PUBLIC 1000 0 \xff", b"PUBLIC 2000 0 \xfe")
    assert answer(table, 0x1000).function == answer(table, 0x2000).function


@pytest.mark.parametrize(
    ("record", "code_id", "module_name"),
    [
        (b"INFO CODE_ID 5F3A1B2C4D000 my app.exe  ", "5F3A1B2C4D000", "my app.exe"),
        (b"INFO CODE_ID 5F3A1B2C4D000", "5F3A1B2C4D000", "foo.so"),
        (b"INFO  CODE_ID  5F3A  ", "5F3A", "foo.so"),
        (b"INFO CODE_ID ", "", "foo.so"),
        (b"INFO URL x", "", "foo.so"),
    ],
)
def test_the_code_file_names_the_module(record: bytes, code_id: str, module_name: str) -> None:
    facts = read_records(record).facts
    assert (facts.code_id, facts.module_name) == (code_id, module_name)


def test_only_the_first_code_id_counts() -> None:
    facts = read_records(b"INFO CODE_ID 5F3A", b"INFO CODE_ID 77 foo.exe").facts
    assert (facts.code_id, facts.module_name) == ("5F3A", "foo.so")


def test_a_code_id_before_a_million_spaces_is_read_at_once() -> None:
    spaces = b" " * 1_000_000
    assert read_records(b"INFO CODE_ID 77" + spaces).facts.code_id == "77"
    assert read_records(b"INFO CODE_ID 77 a" + spaces + b"b").facts.code_id == "77"


def test_facts_count_what_answers() -> None:
    facts = read_records(FUNCTION, LINE, b"FUNC 1008 10 0 g", b"PUBLIC 2000 0 p").facts
    assert (facts.functions, facts.public_symbols, facts.ranges) == (1, 1, 3)
