"""Reads pages."""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Self

import numpy as np

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.paging import layout as page_layout
from symbolon_server.symbols.paging import wire
from symbolon_server.symbols.paging.column_codes import Integers, PackedColumns
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.envelope import unseal
from symbolon_server.symbols.paging.layout import COLUMN, NONE

_RANGE_BYTES: Final = 12
_TEXT_BYTES: Final = 8
_OBJECTS_BYTES: Final = 4_000
"""What a page takes in memory beside its content: for each range, for each text, and once."""

_MISFITS: Final = (ValueError, IndexError, OverflowError, struct.error)
"""What reading raises where one number of a page leads to another that is not there.

A checksum does not keep them away: whoever writes a page can write a right one.
"""

_DOES_NOT_FIT: Final = "a page whose numbers do not fit each other"


class Page:
    """A run of ranges and everything that they answer, ready to be searched.

    The starts of ranges are summed up when the page is read, and their chains when one is asked
    for; of the other columns only the values that are asked for are read. Any number of threads may
    read a page: nothing of it changes, and two that sum up its chains at once find the same.

    Numbers of symbols, chains and paths count from 1 here too; `page_layout.NONE` is none.
    """

    __slots__ = (
        "_columns",
        "_content",
        "_first_offset",
        "_names",
        "_next_chain",
        "_symbols",
        "_text_ends",
        "memory_bytes",
        "range_start",
    )

    range_start: Sequence[int]
    """Shape (ranges,): first module offset of each range, ascending."""

    memory_bytes: int
    """What the page takes in memory."""

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
        self._first_offset, *counts, paths = page_layout.HEADER.unpack_from(content)
        ranges, self._symbols, _, self._names = counts
        lengths = page_layout.column_lengths(*counts)
        self._columns = columns = PackedColumns(content, page_layout.HEADER.size, lengths)
        starts = columns.column(COLUMN.range_step).astype(np.uint64)
        starts[0] = self._first_offset
        np.add.accumulate(starts, out=starts)
        self.range_start = starts.data  # a search in it is faster
        self._next_chain: Integers | None = None
        """Shape (ranges,): the next new chain after each range, from 0; None until it is needed."""
        texts = np.frombuffer(content, np.uint8, offset=columns.end)
        text_ends = (texts == page_layout.TEXT_END[0]).nonzero()[0]
        text_ends += columns.end
        self._text_ends = text_ends.data
        """Shape (texts,): the place of the end of each in the content."""
        count = len(text_ends)
        end = text_ends[-1] + 1 if count else columns.end
        if count != self._names + paths or end != len(content):
            raise ValueError("texts that are cut")
        self._content = content
        self.memory_bytes = (
            len(content) + _RANGE_BYTES * ranges + _TEXT_BYTES * count + _OBJECTS_BYTES
        )

    def find_row(self, module_offset: int) -> int:
        """Return the row of the range that covers `module_offset`, or -1 before the first."""
        return bisect_right(self.range_start, module_offset) - 1

    def symbol(self, row: int) -> int:
        """Return the number of the symbol that covers the range in `row`, or `NONE`."""
        newest, code = self._columns.new_and_number(COLUMN.range_symbol, row)
        symbol = page_layout.number_of_code(newest, code)
        if not NONE <= symbol <= self._symbols:
            raise ValueError("a symbol that is not there")
        return symbol

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
        symbol = self.symbol(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row, symbol)
        return Answer(
            self._text(self._name_of(NONE, symbol)).decode(),
            self._symbol_start(symbol, row),
            file.decode(),
            line,
            tuple(InlineAnswer(name.decode(), path.decode(), at) for name, path, at in inlines),
            self._has(symbol, page_layout.IS_MULTIPLE),
            self._has(symbol, page_layout.IS_PUBLIC),
            self._symbol_size(symbol),
        )

    def _encoded_answer(self, row: int) -> tuple[int, bytes] | None:
        symbol = self.symbol(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row, symbol)
        return self._symbol_start(symbol, row), wire.answer_fields(
            self._text(self._name_of(NONE, symbol)),
            file,
            line,
            [wire.inline_frame(*inline) for inline in inlines],
            is_multiple=self._has(symbol, page_layout.IS_MULTIPLE),
            function_size=self._symbol_size(symbol),
        )

    def _has(self, symbol: int, flag: int) -> bool:
        return bool(self._columns.value(COLUMN.symbol_flags, symbol - 1) & flag)

    def _symbol_size(self, symbol: int) -> int:
        return self._columns.value(COLUMN.symbol_size, symbol - 1)

    def _symbol_start(self, symbol: int, row: int) -> int:
        distance = self._columns.signed_value(COLUMN.symbol_start, symbol - 1)
        start = int(self._first_offset + distance) % 2**64
        if start > self.range_start[row]:
            raise ValueError("a symbol that starts behind its range")
        return start

    def _chain(self, row: int) -> int:
        """Return the chain at a range, or `NONE`: half of what is asked for is in none."""
        code = self._columns.signed_value(COLUMN.range_chain, row)
        if code == page_layout.NONE_CODE:
            return NONE
        next_chain = self._next_chain
        if next_chain is None:
            next_chain = self._next_chain = self._columns.next_numbers(COLUMN.range_chain)
        return page_layout.number_of_code(next_chain.item(row), code)

    def _walk(self, row: int, symbol: int) -> tuple[list[tuple[bytes, bytes, int]], bytes, int]:
        """Return the inline frames at a range, innermost first, and the place in the function."""
        chain = self._chain(row)
        name = self._name_of(chain, symbol)
        value, signed = self._columns.value, self._columns.signed_value
        file = signed(COLUMN.range_file, row) + value(COLUMN.name_file, name)
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
        return inlines, self._path(file), line

    def _name_of(self, chain: int, symbol: int) -> int:
        """Return the text that names an inline frame, or the symbol where there is none."""
        place = (symbol if chain == NONE else self._symbols + chain) - 1
        new, below = self._columns.new_and_number(COLUMN.name, place)
        return new - (below or 1)

    def _path(self, number: int) -> bytes:
        return self._text(self._names + number - 1) if number != NONE else b""

    def _text(self, number: int) -> bytes:
        """Return a text, which is UTF-8: otherwise no client could read an answer that holds it."""
        ends = self._text_ends
        start = ends[number - 1] + 1 if number else self._columns.end
        text = self._content[start : ends[number]]
        if not text.isascii():
            text.decode()
        return text
