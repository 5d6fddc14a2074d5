"""Records with names, read many at a time: each is what the strict parser makes of its line."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.symbols.reading.bulk_names import (
    parse_files,
    parse_functions,
    parse_inline_origins,
    parse_publics,
)
from symbolon_server.symbols.reading.records import (
    parse_file,
    parse_function,
    parse_inline_origin,
    parse_public,
)
from symbolon_server.symbols.reading.tokens import Positions, TextBlock, cut

ParseMany = Callable[[TextBlock, Positions], Sequence[tuple[object, ...] | None]]
Parse = Callable[[bytes], tuple[object, ...] | None]

KINDS: list[tuple[bytes, ParseMany, Parse]] = [
    (b"FUNC", parse_functions, parse_function),
    (b"PUBLIC", parse_publics, parse_public),
    (b"FILE", parse_files, parse_file),
    (b"INLINE_ORIGIN", parse_inline_origins, parse_inline_origin),
]

TOKENS = st.sampled_from(
    [
        *(b"m", b"mm", b"M", b"-1", b"-", b"", b" ", b"0x10", b"g", b"f(int, char)", b"_Z1fv"),
        *(b"0", b"7", b"10", b"00000000000000001", b"123456789", b"99999999", b"\xc3\xa9"),
        *(b"7ffffffffffffffe", b"7fffffffffffffff", b"fffffffffffffffe", b"ffffffffffffffff"),
    ]
)
REST = st.lists(TOKENS, max_size=7).map(b" ".join)


@pytest.mark.parametrize(("word", "parse_many", "parse"), KINDS)
@given(rests=st.lists(REST, max_size=6))
def test_each_record_is_what_the_strict_parser_finds(
    word: bytes, parse_many: ParseMany, parse: Parse, rests: list[bytes]
) -> None:
    lines = [b"%b %b" % (word, rest) for rest in rests]
    block = cut(b"".join(line + b"\n" for line in lines))
    assert parse_many(block, np.arange(len(lines))) == list(map(parse, lines))


@pytest.mark.parametrize(
    ("parse_many", "line", "record"),
    [
        (parse_functions, b"FUNC m 10 2 0 f g", (0x10, 2, True, b"f g")),
        (parse_functions, b"FUNC 10 2 0 m", (0x10, 2, False, b"m")),
        (parse_publics, b"PUBLIC 10 0  p", (0x10, False, b" p")),
        (parse_files, b"FILE 3 a b.c", (3, b"a b.c")),
        (parse_inline_origins, b"INLINE_ORIGIN 3 f", (3, b"f")),
        (parse_inline_origins, b"INLINE_ORIGIN 3 7 f", (3, b"f")),  # of the older generation
    ],
)
def test_a_record_has_its_numbers_and_its_name(
    parse_many: ParseMany, line: bytes, record: tuple[object, ...]
) -> None:
    assert parse_many(cut(line + b"\n"), np.arange(1)) == [record]
