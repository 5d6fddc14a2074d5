"""The answers that follow from the records of a symbol file, one oddity per test."""

import pytest

from symbolon_server.symbols.reading.inline_chains import MAX_DEPTH
from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.symbols.read_texts import (
    FILE,
    FUNCTION,
    LINE,
    answer,
    answers,
    place,
    read_records,
    skipped,
)
from tests.symbols.symbol_texts import MODULE_ID, MODULE_RECORD


def test_lines_without_a_function_are_bad() -> None:
    assert skipped(LINE, b"PUBLIC 1000 0 p", LINE) == {"line": 2}


def test_lines_after_a_bad_function_are_bad() -> None:
    table = read_records(FUNCTION, b"FUNC 2000 10 0", LINE)
    assert table.facts.skipped_records == {"FUNC": 1, "line": 1}
    assert place(table) == ("f", "", 0)


def test_an_inline_record_without_a_function_is_bad() -> None:
    assert skipped(b"INLINE 0 7 0 0 1000 8") == {"INLINE": 1}


def test_unknown_records_count_as_unknown_with_and_without_a_function() -> None:
    assert skipped(b"NEWS of tomorrow", FUNCTION, b"NEWS of tomorrow") == {"unknown": 2}


def test_stack_and_info_records_are_skipped_wherever_they_stand() -> None:
    stack = b"STACK CFI INIT 1000 10 .cfa: $rsp 8 +"
    table = read_records(stack, FILE, FUNCTION, stack, b"INFO URL https://x/y", LINE, stack)
    assert place(table) == ("f", "a.c", 5)
    assert table.facts.skipped_records == {}


@pytest.mark.parametrize(
    "records",
    [
        (FILE, b"INLINE_ORIGIN 3 inl", FUNCTION, b"INLINE 0 7 0 3 1000 8", LINE),
        (FUNCTION, b"INLINE 0 7 0 3 1000 8", LINE, b"INLINE_ORIGIN 3 inl", FILE),
    ],
    ids=["before", "after"],
)
def test_file_and_origin_records_may_be_anywhere(records: tuple[bytes, ...]) -> None:
    found = answer(read_records(*records), 0x1000)
    (inline,) = found.inlines
    assert (inline.function, inline.file, inline.line) == ("inl", "a.c", 5)
    assert (found.file, found.line) == ("a.c", 7)


def test_the_first_file_and_origin_of_a_number_win() -> None:
    table = read_records(
        *(b"INLINE_ORIGIN 3 inl", b"INLINE_ORIGIN 3 out", FILE, b"FILE 0 b.c"),
        *(FUNCTION, b"INLINE 0 7 0 3 1000 8", LINE),
    )
    assert [inline.function for inline in answer(table).inlines] == ["inl"]
    assert place(table) == ("f", "a.c", 7)


def test_file_and_origin_numbers_beyond_31_bits_work_like_others() -> None:
    table = read_records(
        *(b"FILE 4611686018427387904 a.c", b"FILE 4611686018427387905 b.c"),
        *(b"INLINE_ORIGIN 4611686018427387904 inl", FUNCTION),
        b"INLINE 0 7 4611686018427387905 4611686018427387904 1000 8",
        b"1000 10 5 4611686018427387904",
    )
    found = answer(table, 0x1000)
    assert [(inline.function, inline.file) for inline in found.inlines] == [("inl", "a.c")]
    assert (found.file, found.line) == ("b.c", 7)


def test_a_call_site_with_an_unknown_file_keeps_its_line() -> None:
    for inline in (b"INLINE 0 7 9 3 1000 8", b"INLINE 0 7 -1 3 1000 8"):
        table = read_records(FILE, FUNCTION, inline, LINE)
        assert place(table) == ("f", "", 7)
        (inner,) = answer(table).inlines
        assert (inner.function, inner.file, inner.line) == ("<name omitted>", "a.c", 5)


def test_the_older_generation_has_call_sites_in_the_file_of_the_line() -> None:
    table = read_records(
        *(FILE, b"FILE 1 b.c", FUNCTION, b"INLINE 0 7 3 1000 8", b"INLINE 1 8 3 1000 8"),
        *(b"1000 4 5 0", b"1004 2 6 1"),
    )
    for offset, file, line in ((0x1000, "a.c", 5), (0x1004, "b.c", 6), (0x1006, "", 0)):
        assert place(table, offset) == ("f", file, 7)
        inlines = [(inline.file, inline.line) for inline in answer(table, offset).inlines]
        assert inlines == [(file, line), (file, 8)]


ORIGINS = tuple(b"INLINE_ORIGIN %d in%d" % (number, number) for number in range(4))


def names(*records: bytes, offset: int = 0x1000) -> list[str]:
    """Return the inline frames in a function with `records`, innermost first."""
    table = read_records(*ORIGINS, FUNCTION, *records)
    assert table.facts.skipped_records == {}
    return [inline.function for inline in answer(table, offset).inlines]


def test_levels_determine_callers_whatever_the_order_of_the_records() -> None:
    calls = (b"INLINE 2 7 0 2 1000 8", b"INLINE 0 7 0 0 1000 2", b"INLINE 1 7 0 1 1000 4")
    assert names(*calls) == names(*calls[::-1]) == ["in2", "in1", "in0"]


def test_a_call_merged_over_several_callers_is_in_each_of_them() -> None:
    records = (b"INLINE 1 7 0 2 1000 8", b"INLINE 0 7 0 0 1000 4", b"INLINE 0 8 0 1 1004 4")
    assert [names(*records, offset=0x1000 + at) for at in (0, 4)] == [
        ["in2", "in0"],
        ["in2", "in1"],
    ]


def test_a_call_that_extends_past_its_caller_is_visible_within_its_caller() -> None:
    records = (b"INLINE 0 7 0 0 1004 4", b"INLINE 1 7 0 1 1002 8")
    found = [names(*records, offset=0x1000 + at) for at in (0, 2, 4, 8)]
    assert found == [[], [], ["in1", "in0"], []]


def test_a_chain_ends_before_the_first_missing_level() -> None:
    records = (b"INLINE 0 7 0 0 1000 8", b"INLINE 2 7 0 2 1000 8", b"INLINE 9 7 0 3 1000 8")
    assert names(*records) == ["in0"]
    assert names(b"INLINE 1 7 0 1 1000 8") == []


def test_overlapping_ranges_of_one_level_are_ordered_by_start_then_size_then_record() -> None:
    outer, inner = b"INLINE 0 7 0 0 1000 8", b"INLINE 0 7 0 1 1002 2"
    for records in ((outer, inner), (inner, outer)):
        found = [names(*records, offset=0x1000 + at) for at in (0, 2, 3, 4, 7, 8)]
        assert found == [["in0"], ["in1"], ["in1"], ["in0"], ["in0"], []]
    short, long = b"INLINE 0 7 0 0 1000 2", b"INLINE 0 7 0 1 1000 4"
    for records in ((short, long), (long, short)):
        assert [names(*records, offset=0x1000 + at) for at in (0, 2)] == [["in0"], ["in1"]]
    assert names(b"INLINE 0 7 0 0 1000 2", b"INLINE 0 7 0 1 1000 2") == ["in1"]


def test_ranges_that_start_before_their_function_are_ordered_the_same() -> None:
    later, shorter = b"INLINE 0 7 0 0 ff8 20", b"INLINE 0 7 0 1 ff0 14"
    for records in ((later, shorter), (shorter, later)):
        assert names(*records) == ["in0"]


def test_the_number_of_answered_levels_is_limited() -> None:
    records = [b"INLINE %d 7 0 0 1000 8" % level for level in range(MAX_DEPTH + 1)]
    assert len(names(*records)) == MAX_DEPTH


def test_many_overlapping_calls_of_one_level_take_no_quadratic_time() -> None:
    count = 50_000
    records = [b"INLINE 0 7 0 0 %x %x" % (place, 2 * count) for place in range(count)]
    function = b"FUNC 0 %x 0 f" % (4 * count)
    table = read_records(*ORIGINS, function, *records)
    assert len(answer(table, 3 * count - 2).inlines) == 1
    assert len(answer(table, 3 * count - 1).inlines) == 0


def test_parts_of_a_split_function_may_repeat_the_inlines_of_both() -> None:
    inline = b"INLINE 0 7 0 0 1004 4 2000 8 1004 0"
    table = read_records(FUNCTION, inline, b"FUNC 2000 10 0 f.cold", inline)
    assert [len(answer(table, offset).inlines) for offset in (0x1000, 0x1004, 0x2000)] == [0, 1, 1]
    assert table.facts.skipped_records == {}


def test_a_public_symbol_answers_up_to_the_next_function() -> None:
    table = read_records(b"PUBLIC ff0 0 p", FUNCTION, b"PUBLIC 1020 0 q")
    found = [table.find(offset) for offset in (0xFEF, 0xFFF, 0x1000, 0x1010, 0x1020, 2**64 - 1)]
    assert [got and got.function for got in found] == [None, "p", "f", None, "q", "q"]


def test_a_public_symbol_within_a_function_answers_after_its_end() -> None:
    table = read_records(FUNCTION, b"PUBLIC 1008 0 p")
    assert [answer(table, offset).function for offset in (0x1008, 0x1010)] == ["f", "p"]


def test_public_symbols_at_zero_are_ignored_and_repeated_ones_are_bad() -> None:
    table = read_records(b"PUBLIC 0 0 p", b"PUBLIC m 0 0 q", b"PUBLIC 8 0 p", b"PUBLIC 8 0 q")
    assert table.facts.skipped_records == {"PUBLIC": 1}
    assert (table.find(7), answer(table, 8).function) == (None, "p")


def test_folded_code_is_marked() -> None:
    table = read_records(b"FUNC m 1000 10 0 f", b"PUBLIC m 2000 0 p", b"PUBLIC 3000 0 q")
    found = [answer(table, offset).is_multiple for offset in (0x1000, 0x2000, 0x3000)]
    assert found == [True, True, False]


def test_nothing_covers_the_last_offset_of_64_bits() -> None:
    table = read_records(b"FUNC fffffffffffffff0 10 0 f", b"fffffffffffffff0 10 5 0")
    assert answer(table, 2**64 - 2).line == 5
    assert table.find(2**64 - 1) is None


def test_a_function_beyond_64_bits_is_ignored_with_its_lines() -> None:
    table = read_records(b"FUNC fffffffffffffff0 11 0 f", b"fffffffffffffff0 8 5 0")
    assert (answers(table), dict(table.facts.skipped_records)) == ([], {})


@pytest.mark.parametrize("size", [0x100, 2**62])
@pytest.mark.parametrize("resolve_records", [0, 5, 10**6])
def test_functions_resolved_separately_keep_their_own_inlines(
    size: int, resolve_records: int
) -> None:
    records = [MODULE_RECORD]
    for number in range(4):
        start = number * size
        records += [
            b"INLINE_ORIGIN %d inl%d" % (number, number),
            b"FUNC %x %x 0 f%d" % (start, size - 1, number),
            b"INLINE 0 7 0 %d %x 8" % (number, start),
            b"INLINE 1 8 0 %d %x 4" % (number, start),
            b"%x %x 5 0" % (start, size - 1),
        ]
    reader = SymbolFileReader(MODULE_ID, block_bytes=80, resolve_records=resolve_records)
    table = reader.read([b"\n".join(records)])
    for number in range(4):
        found = answer(table, number * size)
        assert found.function == f"f{number}"
        assert [inline.function for inline in found.inlines] == [f"inl{number}"] * 2


def test_functions_too_wide_for_one_axis_are_read_one_by_one() -> None:
    wide = b"8000000000000000"
    table = read_records(
        *(b"FUNC 0 %b 0 f" % wide, b"0 %b 1 0" % wide),
        *(b"FUNC %b 7fffffffffffffff 0 g" % wide, b"%b 7fffffffffffffff 2 0" % wide),
    )
    assert place(table, 2**63 - 1) == ("f", "", 1)
    assert place(table, 2**63) == ("g", "", 2)
