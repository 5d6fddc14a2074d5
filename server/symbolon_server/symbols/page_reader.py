"""Reads pages."""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Self

import numpy as np

from symbolon_server.symbols import page_layout, wire
from symbolon_server.symbols.answers import Answer, InlineAnswer
from symbolon_server.symbols.column_codes import (
    Integers,
    PackedColumns,
    from_below_next,
    running_sums,
)
from symbolon_server.symbols.envelope import unseal
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.page_dictionary import PageDictionary
from symbolon_server.symbols.page_layout import COLUMN, NONE

_OBJECTS_BYTES: Final = 4_000
"""What the objects of a page take beside their numbers and texts."""

_TEXT_LENGTH_BYTES: Final = 4
"""What the length of a text has at most; the sum of so many does not overflow."""

_MISFITS: Final = (ValueError, IndexError, OverflowError, struct.error)
"""What reading raises where one number of a page leads to another that is not there.

A checksum does not keep them away: whoever writes a page can write a right one.
"""

_DOES_NOT_FIT: Final = "a page whose numbers do not fit each other"


class Page:
    """A run of ranges and everything that they answer, ready to be searched.

    Columns of which a value depends on those before it are read when the page is; of the others
    only the values that are asked for. Any number of threads may read a page: nothing of it
    changes.

    Numbers of symbols, chains and paths count from 1 here too; `page_layout.NONE` is none.
    """

    __slots__ = (
        "_columns",
        "_content",
        "_first_offset",
        "_names",
        "_next_chain",
        "_next_name",
        "_symbols",
        "_text_bounds",
        "range_start",
        "range_symbol",
    )

    range_start: Sequence[int]
    """Shape (ranges,): first module offset of each range, ascending."""

    range_symbol: Integers
    """Shape (ranges,): the symbol that covers each range."""

    @classmethod
    def decode(cls, owner: bytes, data: bytes, dictionary: PageDictionary | None = None) -> Self:
        """Return the page that `data` is, by `page_owner` and the dictionary of its module.

        Raises `DamagedPageError` where it is none.
        """
        zstd = None if dictionary is None else dictionary.zstd
        return cls.read(unseal(page_layout.MARK, owner, data, zstd))

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the page with this content; raise `DamagedPageError` where it is none."""
        try:
            return cls(content)
        except _MISFITS as error:
            raise DamagedPageError(_DOES_NOT_FIT) from error

    def __init__(self, content: bytes) -> None:
        """Read the content of a page, as it is in its envelope."""
        self._first_offset, *counts = page_layout.HEADER.unpack_from(content)
        lengths = page_layout.column_lengths(*counts)
        columns = PackedColumns(content, page_layout.HEADER.size, lengths)
        self._content, self._columns = content, columns
        _, self._symbols, _, self._names, _ = counts
        starts = np.add.accumulate(columns.column(COLUMN.range_step), dtype=np.uint64)
        starts += np.uint64(self._first_offset)
        self.range_start = starts.data  # a search in it is faster
        self.range_symbol = running_sums(columns.signed_column(COLUMN.range_symbol))
        self._next_chain = columns.next_numbers(COLUMN.range_chain)
        """Shape (ranges,): the next new chain after each range."""
        self._next_name = columns.next_numbers(COLUMN.name)
        """Shape (symbols + chains,): the next new text after the name of each of them."""
        text_lengths = columns.column(COLUMN.text_length)
        if text_lengths.itemsize > _TEXT_LENGTH_BYTES:
            raise ValueError("a text that is longer than any page")
        self._text_bounds = np.empty(len(text_lengths) + 1, np.int64)
        """Shape (texts + 1,): where each text begins in the content; last, where they end."""
        self._text_bounds[0] = columns.end
        self._text_bounds[1:] = text_lengths
        np.add.accumulate(self._text_bounds, out=self._text_bounds)
        if len(text_lengths) and self._text_bounds[-1] != len(content):
            raise ValueError("texts that are cut")

    @property
    def memory_bytes(self) -> int:
        """Bytes that the page takes in memory."""
        ranges, names = len(self.range_start), len(self._next_name)
        texts = len(self._text_bounds)
        return len(self._content) + 16 * ranges + 4 * names + 8 * texts + _OBJECTS_BYTES

    def find_row(self, module_offset: int) -> int:
        """Return the row of the range that covers `module_offset`, or -1 before the first."""
        return bisect_right(self.range_start, module_offset) - 1

    def find(self, module_offset: int) -> Answer | None:
        """Return what covers `module_offset`, if anything does."""
        row = self.find_row(module_offset)
        return None if row < 0 else self.answer(row)

    def answer(self, row: int) -> Answer | None:
        """Return what the range in `row` answers, or None where it is a gap.

        Raises `DamagedPageError` where the numbers of the page do not fit each other.
        """
        try:
            return self._answer(row)
        except _MISFITS as error:
            raise DamagedPageError(_DOES_NOT_FIT) from error

    def encoded_answer(self, row: int) -> tuple[int, bytes] | None:
        """Return the symbol's start and `wire.answer_fields` of a range, or None in a gap.

        Raises `DamagedPageError` as `answer` does.
        """
        try:
            return self._encoded_answer(row)
        except _MISFITS as error:
            raise DamagedPageError(_DOES_NOT_FIT) from error

    def _answer(self, row: int) -> Answer | None:
        symbol = self.range_symbol.item(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row)
        return Answer(
            self._text(self._name_of(NONE, symbol)).decode(),
            self._symbol_start(symbol, row),
            file.decode(),
            line,
            tuple(InlineAnswer(name.decode(), path.decode(), at) for name, path, at in inlines),
            self._has(symbol, page_layout.IS_MULTIPLE),
            self._has(symbol, page_layout.IS_PUBLIC),
        )

    def _encoded_answer(self, row: int) -> tuple[int, bytes] | None:
        symbol = self.range_symbol.item(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row)
        return self._symbol_start(symbol, row), wire.answer_fields(
            self._text(self._name_of(NONE, symbol)),
            file,
            line,
            [wire.inline_frame(*inline) for inline in inlines],
            self._has(symbol, page_layout.IS_MULTIPLE),
        )

    def _has(self, symbol: int, flag: int) -> bool:
        return bool(self._columns.value(COLUMN.symbol_flags, symbol - 1) & flag)

    def _symbol_start(self, symbol: int, row: int) -> int:
        distance = self._columns.signed_value(COLUMN.symbol_start, symbol - 1)
        start = int(self._first_offset + distance) % 2**64
        if start > self.range_start[row]:
            raise ValueError("a symbol that starts behind its range")
        return start

    def _walk(self, row: int) -> tuple[list[tuple[bytes, bytes, int]], bytes, int]:
        """Return the inline frames at a range, innermost first, and the place in the function."""
        chain = page_layout.chain_of_code(
            self._next_chain.item(row), self._columns.signed_value(COLUMN.range_chain, row)
        )
        name = self._name_of(chain, self.range_symbol.item(row))
        value, signed = self._columns.value, self._columns.signed_value
        own_file = file = signed(COLUMN.range_file, row) + value(COLUMN.name_file, name)
        line = signed(COLUMN.range_line, row) + value(COLUMN.name_line, name)
        inlines: list[tuple[bytes, bytes, int]] = []
        while chain != NONE:
            inlines.append((self._text(name), self._path(file), line))
            call = chain - 1
            file, line = signed(COLUMN.chain_call_file, call), signed(COLUMN.chain_call_line, call)
            steps = value(COLUMN.chain_around, call)
            if not 0 < steps <= chain:  # or it would go round for ever
                raise ValueError("a chain that is around itself")
            chain -= steps
            if chain != NONE:  # what is called from the function itself stands as it is
                name = self._name_of(chain, NONE)
                file += value(COLUMN.name_file, name)
                line += value(COLUMN.name_line, name)
            file = file or own_file
        return inlines, self._path(file), line

    def _name_of(self, chain: int, symbol: int) -> int:
        """Return the text that names an inline frame, or the symbol where there is none."""
        place = (symbol if chain == NONE else self._symbols + chain) - 1
        below = self._columns.signed_value(COLUMN.name, place)
        return from_below_next(self._next_name.item(place), below)

    def _path(self, number: int) -> bytes:
        return self._text(self._names + number - 1) if number != NONE else b""

    def _text(self, number: int) -> bytes:
        """Return a text, which is UTF-8: otherwise no client could read an answer that holds it."""
        bound = self._text_bounds.item
        text = self._content[bound(number) : bound(number + 1)]
        if not text.isascii():
            text.decode()
        return text
