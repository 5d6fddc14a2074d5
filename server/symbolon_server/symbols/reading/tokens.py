"""Cuts a block of symbol file text into lines and tokens, and reads numbers from many at once.

Everything works on whole columns. A table maps each byte to the value of its digit, or to a mark. A
number is then the eight digit values that end where its token ends, loaded as one 64-bit word and
folded in three steps. Only the canonical form is read here: single spaces between tokens, digits
without a sign or prefix. Anything else is left to the strict parser of single records.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Numbers = NDArray[np.uint64]
Flags = NDArray[np.bool_]

HEX_DIGITS = 16
"""The most hex digits of a number: 64 bits."""

DECIMAL_DIGITS = 8
"""The most decimal digits read here; the strict parser reads longer numbers."""

_SEPARATOR = 0xC0
_NO_DIGIT = 0x80
_WORD = 8
_MARGIN = b"\n" * (2 * _WORD)
"""Surrounds the text, so that a word can be loaded at and before every token."""


def _digit_values() -> bytes:
    values = bytearray([_NO_DIGIT] * 256)
    for value, digit in enumerate(b"0123456789abcdef"):
        values[digit] = values[ord(chr(digit).upper())] = value
    values[ord(" ")] = values[ord("\n")] = _SEPARATOR
    return bytes(values)


_DIGIT_VALUES = _digit_values()


def _every(byte: int, spacing: int = 1) -> np.uint64:
    return np.uint64(sum(byte << (8 * place) for place in range(0, _WORD, spacing)))


_EVERY_MARK = _every(0x80)
_DECIMAL_CARRY = _every(0x80 - 10)
_EVEN_BYTES = _every(0xFF, 2)
_EVEN_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_TOO_LARGE = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Whole lines of a symbol file, and where their tokens are.

    A token ends at a separator (a space or a newline) and starts after the previous one; two
    separators in a row enclose an empty token.
    """

    text: bytes
    """The lines, each ended by a newline, between margins of newlines."""

    separators: Positions
    """Shape (tokens + 1,): position of each space and newline, ascending."""

    line_tokens: Positions
    """Shape (lines + 1,): each line's first token; a line's last token ends the line."""

    letters: Numbers
    """Shape (len(text) - 7,): the eight bytes that start at each byte, unaligned."""

    words: Numbers
    """Shape (len(text) - 7,): the eight digit values that start at each byte, unaligned."""

    @property
    def line_starts(self) -> Positions:
        """Shape (lines,): position of each line's first byte."""
        return self.separators[self.line_tokens[:-1]] + 1

    @property
    def line_ends(self) -> Positions:
        """Shape (lines,): position of the newline that ends each line."""
        return self.separators[self.line_tokens[1:]]

    def token_counts(self, lines: Positions) -> Positions:
        """Return the number of tokens of each of `lines`; an empty line has one, empty."""
        return self.line_tokens[lines + 1] - self.line_tokens[lines]

    def ends_of(self, lines: Positions) -> Positions:
        """Return the position of the newline that ends each of `lines`."""
        return self.separators[self.line_tokens[lines + 1]]

    def are_letter(self, tokens: Positions, letter: bytes) -> Flags:
        """Return where a token is this one letter."""
        starts = self.separators[tokens] + 1
        are_letter: Flags = self.first_letters(starts) == ord(letter)
        are_letter &= self.separators[tokens + 1] == starts + 1
        return are_letter

    def first_letters(self, starts: Positions) -> NDArray[np.uint8]:
        """Return the byte at each of these positions."""
        return np.frombuffer(self.text, np.uint8)[starts]

    def line_text(self, line: int) -> bytes:
        """Return the bytes of a line, without the newline."""
        first, following = self.line_tokens[line], self.line_tokens[line + 1]
        return self.text[self.separators[first] + 1 : self.separators[following]]

    def read_hex(self, tokens: Positions) -> tuple[Numbers, Flags]:
        """Return each token's number, and whether it is a number of 1 to 16 hex digits.

        The largest 64-bit number does not count: Breakpad's reader rejects it as too large.
        """
        ends = self.separators[tokens + 1]
        lengths = ends - self.separators[tokens] - 1
        digits = _last_digits(self.words, ends, np.minimum(lengths, _WORD))
        is_number = (lengths > 0) & (lengths <= HEX_DIGITS) & ((digits & _EVERY_MARK) == 0)
        numbers = _fold_hex(digits)
        (long,) = np.nonzero(is_number & (lengths > _WORD))
        if len(long):
            high = _last_digits(self.words, ends[long] - _WORD, lengths[long] - _WORD)
            numbers[long] |= _fold_hex(high) << np.uint64(32)
            is_number[long] = ((high & _EVERY_MARK) == 0) & (numbers[long] != _TOO_LARGE)
        return numbers, is_number

    def read_decimal(self, tokens: Positions) -> tuple[Numbers, Flags]:
        """Return each token's number, and whether it is a number of 1 to 8 decimal digits."""
        ends = self.separators[tokens + 1]
        lengths = ends - self.separators[tokens] - 1
        digits = _last_digits(self.words, ends, np.minimum(lengths, _WORD))
        has_other = ((digits | (digits + _DECIMAL_CARRY)) & _EVERY_MARK) != 0
        is_number = (lengths > 0) & (lengths <= DECIMAL_DIGITS) & ~has_other
        return _fold_decimal(digits), is_number


def cut(lines: bytes) -> TextBlock:
    """Cut `lines`, which end with a newline and hold no other line ends, into tokens."""
    text = _MARGIN + lines + _MARGIN
    values = text.translate(_DIGIT_VALUES)
    separators = np.flatnonzero(np.frombuffer(values, np.uint8) == _SEPARATOR)
    separators = separators[len(_MARGIN) - 1 : len(separators) - len(_MARGIN)]
    (line_tokens,) = np.nonzero(np.frombuffer(text, np.uint8)[separators] == ord("\n"))
    return TextBlock(text, separators, line_tokens, _words(text), _words(values))


def _words(data: bytes) -> Numbers:
    return np.ndarray(len(data) - _WORD + 1, np.dtype("<u8"), data, strides=(1,))


def _last_digits(words: Numbers, ends: Positions, lengths: Positions) -> Numbers:
    """Return the digit values of up to eight digits before each end, with zeros before them."""
    empty_bits = ((_WORD - np.maximum(lengths, 1)) * 8).astype(np.uint64)
    digits: Numbers = (words[ends - _WORD] >> empty_bits) << empty_bits
    return digits


def _fold_hex(digits: Numbers) -> Numbers:
    pairs = ((digits << np.uint64(4)) | (digits >> np.uint64(8))) & _EVEN_BYTES
    fours = ((pairs << np.uint64(8)) | (pairs >> np.uint64(16))) & _EVEN_PAIRS
    numbers: Numbers = ((fours << np.uint64(16)) | (fours >> np.uint64(32))) & _LOW_HALF
    return numbers


def _fold_decimal(digits: Numbers) -> Numbers:
    pairs = (digits * np.uint64(10) + (digits >> np.uint64(8))) & _EVEN_BYTES
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & _EVEN_PAIRS
    numbers: Numbers = (fours * np.uint64(10_000) + (fours >> np.uint64(32))) & _LOW_HALF
    return numbers
