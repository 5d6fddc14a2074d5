"""Numbers read from many tokens at once, compared with Python's own parser."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.reading.record_kinds import KINDS, find_kinds
from symbolon_server.symbols.reading.tokens import TextBlock, cut

words = st.one_of(
    st.integers(0, 2**64 + 1).map(lambda number: b"%x" % number),
    st.integers(0, 2**64 + 1).map(lambda number: b"%X" % number),
    st.integers(0, 10**9).map(lambda number: b"%d" % number),
    st.text("0123456789abcdefABCDEF", max_size=18).map(str.encode),
    st.text("0123456789", max_size=18).map(str.encode),
    st.text("09afAFgG@/:`+-_x\t.", max_size=18).map(str.encode),
    st.binary(max_size=18).map(lambda text: text.translate(None, b" \n")),
)


def all_tokens(block: TextBlock) -> "np.typing.NDArray[np.int64]":
    return np.arange(len(block.separators) - 1)


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=40))
def test_hex_tokens_are_read_as_python_does(texts: list[bytes]) -> None:
    block = cut(b" ".join(texts) + b"\n")
    numbers, are_numbers = block.read_hex(all_tokens(block))
    for text, number, is_number in zip(texts, numbers.tolist(), are_numbers.tolist(), strict=True):
        is_hex = 0 < len(text) <= 16 and not text.strip(b"0123456789abcdefABCDEF")
        assert is_number == (is_hex and int(text, 16) < 2**64 - 1), text
        if is_number:
            assert number == int(text, 16)


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=40))
def test_decimal_tokens_are_read_as_python_does(texts: list[bytes]) -> None:
    block = cut(b" ".join(texts) + b"\n")
    numbers, are_numbers = block.read_decimal(all_tokens(block))
    for text, number, is_number in zip(texts, numbers.tolist(), are_numbers.tolist(), strict=True):
        assert is_number == (0 < len(text) <= 8 and not text.strip(b"0123456789")), text
        if is_number:
            assert number == int(text)


def test_every_byte_other_than_a_digit_makes_a_number_invalid() -> None:
    for byte in set(range(256)) - set(b" \n"):
        letter = bytes([byte])
        for text in (letter, b"1" + letter, letter + b"1", b"12345678" + letter, b"1" * 5 + letter):
            block = cut(text + b"\n")
            (is_hex,) = block.read_hex(all_tokens(block))[1].tolist()
            (is_decimal,) = block.read_decimal(all_tokens(block))[1].tolist()
            assert is_hex == (letter in b"0123456789abcdefABCDEF")
            assert is_decimal == (letter in b"0123456789" and len(text) <= 8)


@settings(deadline=None)
@given(st.lists(st.lists(words, max_size=5), min_size=1, max_size=10))
def test_lines_are_cut_at_newlines_and_tokens_at_spaces(lines: list[list[bytes]]) -> None:
    texts = [b" ".join(line) for line in lines]
    block = cut(b"".join(text + b"\n" for text in texts))
    places = np.arange(len(texts))
    assert [block.line_text(line) for line in places.tolist()] == texts
    assert block.token_counts(places).tolist() == [text.count(b" ") + 1 for text in texts]
    assert (block.line_ends - block.line_starts).tolist() == [len(text) for text in texts]


def test_a_kind_of_record_is_its_whole_first_word() -> None:
    first_words = {str(kind).encode(): str(kind) for kind in KINDS if kind.isupper()}
    lines = []
    for word, kind in first_words.items():
        lines += [(word + b" x", kind), (word + b" ", kind), (word, "line")]
        lines += [(word + b"S x", "line"), (b" " + word + b" x", "line")]
        lines += [(word.lower() + b" x", "line"), (word[:-1] + b" x", "line")]
    lines += [(b"INLINE_OXIGIN 0 f", "line"), (b"INLINE_ORIGIX 0 f", "line"), (b"", "line")]
    block = cut(b"".join(line + b"\n" for line, _ in lines))
    assert [str(KINDS[code]) for code in find_kinds(block)] == [kind for _, kind in lines]
