"""The grammar of single records."""

import pytest

from symbolon_server.symbols.reading.records import (
    LINE_FILE,
    NO_FILE,
    parse_file,
    parse_function,
    parse_inline,
    parse_inline_origin,
    parse_line,
    parse_public,
)
from tests.symbols.read_texts import FUNCTION, read_records


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", 0),
        (b"aB", 0xAB),
        (b"0x1f", 0x1F),
        (b"0X1F", 0x1F),
        (b"0000000000000000000000001f", 0x1F),
        (b"fffffffffffffffe", 2**64 - 2),
    ],
)
def test_hex_numbers_are_digits_of_either_case_with_or_without_a_prefix(
    text: bytes, number: int
) -> None:
    line = parse_line(text + b" 1 1 1")
    assert line is not None
    assert line.start == number
    assert read_records(FUNCTION, text + b" 1 1 1").facts.skipped_records == {}


@pytest.mark.parametrize(
    "text",
    [
        *(b"-5", b"+3", b"1_0", b"0x", b"x1", b"0x0x1", b"g", b"1.", b"\xb2", b"1\t"),
        *(b"f" * 16, b"1" + b"0" * 16, b"0x1" + b"0" * 16, b"1" * 1000),
    ],
)
def test_other_hex_numbers_are_bad(text: bytes) -> None:
    records = (text + b" 1 1 1", b"1 %b 1 1" % text, b"INLINE 0 1 1 %b 1" % text)
    assert [parse_line(records[0]), parse_line(records[1]), parse_inline(records[2])] == [None] * 3
    assert parse_function(b"FUNC %b 1 0 f" % text) is None
    assert parse_function(b"FUNC 1 %b 0 f" % text) is None
    assert parse_function(b"FUNC 1 1 %b f" % text) is None
    assert parse_public(b"PUBLIC %b 0 f" % text) is None
    assert parse_public(b"PUBLIC 1 %b f" % text) is None
    assert sum(read_records(FUNCTION, *records).facts.skipped_records.values()) == 3


@pytest.mark.parametrize(
    ("text", "number"), [(b"0", 0), (b"007", 7), (b"9" * 8, 99_999_999), (b"0" * 30 + b"9", 9)]
)
def test_decimal_numbers_are_digits(text: bytes, number: int) -> None:
    line = parse_line(b"1 1 %b %b" % (text, text))
    assert line is not None
    assert (line.line, line.file) == (number, number)
    assert read_records(FUNCTION, b"1 1 %b %b" % (text, text)).facts.skipped_records == {}


@pytest.mark.parametrize(
    "text",
    [
        *(b"-5", b"-1", b"+3", b"1_0", b"a", b"0x1", b"1/", b":", b"\xb2"),
        *(b"9223372036854775807", b"9" * 19, b"9" * 1000),
    ],
)
def test_other_decimal_numbers_are_bad(text: bytes) -> None:
    records = (b"1 1 %b 1" % text, b"1 1 1 %b" % text)
    assert [parse_line(record) for record in records] == [None, None]
    assert parse_file(b"FILE %b a.c" % text) is None
    assert parse_inline_origin(b"INLINE_ORIGIN %b f" % text) is None
    for inline in (b"INLINE %b 1 1 1 1 1", b"INLINE 0 %b 1 1 1 1", b"INLINE 0 1 1 %b 1 1"):
        assert parse_inline(inline % text) is None
    assert sum(read_records(FUNCTION, *records).facts.skipped_records.values()) == 2


def test_the_largest_valid_numbers() -> None:
    decimal = b"9223372036854775806"
    assert parse_file(b"FILE %b a.c" % decimal) == (2**63 - 2, b"a.c")
    assert parse_line(b"fffffffffffffffe 1 4294967295 " + decimal) is not None
    assert parse_line(b"1 1 4294967296 1") is None
    assert parse_inline(b"INLINE 0 4294967296 1 1 1 1") is None
    assert parse_function(b"FUNC 1 1 7ffffffffffffffe f") is not None
    assert parse_function(b"FUNC 1 1 7fffffffffffffff f") is None


def test_fields_are_separated_by_spaces_and_a_name_is_the_rest_of_the_line() -> None:
    function = parse_function(b"FUNC  1000  10  0  f  g ")
    assert function == (0x1000, 0x10, False, b" f  g ")
    assert parse_public(b"PUBLIC   m  2000  4  p ") == (0x2000, True, b" p ")
    assert parse_file(b"FILE  3  dir a/b.c") == (3, b" dir a/b.c")
    assert parse_line(b"  1000  10  5  0") == (0x1000, 0x10, 5, 0)
    assert parse_inline(b"INLINE  0  7  1  3  1000  8 ") == (0, 7, 1, 3, ((0x1000, 8),))
    assert parse_function(b"FUNC\t1000 10 0 f") is None


def test_a_function_may_be_called_m() -> None:
    assert parse_function(b"FUNC 1000 10 0 m") == (0x1000, 0x10, False, b"m")
    assert parse_function(b"FUNC m 1000 10 0 m") == (0x1000, 0x10, True, b"m")
    assert parse_function(b"FUNC m m 1000 10 0 f") is None


@pytest.mark.parametrize("record", [b"FUNC 1000 10 0", b"FUNC 1000 10 0 ", b"FUNC m 1000 10 0"])
def test_a_function_without_a_name_is_bad(record: bytes) -> None:
    assert parse_function(record) is None


@pytest.mark.parametrize("record", [b"PUBLIC 1000 0", b"PUBLIC 1000 0 ", b"PUBLIC m 1000 p"])
def test_a_public_symbol_without_a_name_is_bad(record: bytes) -> None:
    assert parse_public(record) is None


def test_text_after_the_fields_of_a_line_record_is_a_comment() -> None:
    assert parse_line(b"1000 10 5 0 // 7") == (0x1000, 0x10, 5, 0)
    assert parse_line(b"1000 10 5 0// 7") is None


def test_an_inline_record_with_an_even_number_of_fields_has_a_file_of_the_call_site() -> None:
    old = parse_inline(b"INLINE 0 7 3 1000 8 2000 4")
    assert old == (0, 7, LINE_FILE, 3, ((0x1000, 8), (0x2000, 4)))
    assert parse_inline(b"INLINE 0 7 -1 3 1000 8") == (0, 7, NO_FILE, 3, ((0x1000, 8),))
    new = parse_inline(b"INLINE 0 7 1 3 1000 8 2000 4")
    assert new == (0, 7, 1, 3, ((0x1000, 8), (0x2000, 4)))


@pytest.mark.parametrize("fields", [b"", b"0 7 3", b"0 7 1 3", b"0 7 1 3 1", b"0 7 -2 3 1 8"])
def test_an_inline_record_with_a_missing_field_is_bad_or_an_old_one(
    fields: bytes,
) -> None:
    expected = (0, 7, LINE_FILE, 1, ((3, 1),)) if fields == b"0 7 1 3 1" else None
    assert parse_inline(b"INLINE " + fields) == expected


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        (b"3 f(int, char)", (3, b"f(int, char)")),
        (b"3 0 f(int, char)", (3, b"f(int, char)")),
        (b"3 -1 f", (3, b"f")),
        (b"3 17  f", (3, b" f")),
        (b"3 -f", (3, b"-f")),
        (b"3 7f", (3, b"7f")),
        (b"3  5 f", (3, b"f")),
        (b"3  f", None),
        (b"3 -2 f", None),
        (b"3 - f", None),
        (b"3 42", None),
        (b"3 9223372036854775807 f", None),
        (b"3", None),
        (b"3 ", None),
    ],
)
def test_an_origin_whose_name_begins_with_a_number_is_of_the_older_generation(
    fields: bytes, origin: tuple[int, bytes] | None
) -> None:
    assert parse_inline_origin(b"INLINE_ORIGIN " + fields) == origin
