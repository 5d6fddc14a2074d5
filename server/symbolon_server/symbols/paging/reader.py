"""Reads pages: finds the range that covers an offset, and its answer."""

import struct
from collections.abc import Sequence
from typing import Final, Self

import numpy as np

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.paging import api_frames, octets
from symbolon_server.symbols.paging import layout as page_layout
from symbolon_server.symbols.paging.column_codes import Integers, PackedColumns
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.envelope import unseal
from symbolon_server.symbols.paging.layout import (
    IS_MULTIPLE,
    NONE,
    NONE_CODE,
    number_of_code,
)

# The places of the columns: literals, which are compiled in. A test compares them with `COLUMN`.
_RANGE_STEP: Final = 0
_RANGE_SYMBOL: Final = 1
_RANGE_CHAIN: Final = 2
_RANGE_FILE: Final = 3
_RANGE_LINE: Final = 4
_SYMBOL_START: Final = 5
_SYMBOL_SIZE: Final = 6
_SYMBOL_FLAGS: Final = 7
_CHAIN_AROUND: Final = 8
_CHAIN_CALL_FILE: Final = 9
_CHAIN_CALL_LINE: Final = 10
_NAME: Final = 11
_NAME_FILE: Final = 12
_NAME_LINE: Final = 13

_TEXT_END: Final = page_layout.TEXT_END[0]
_TEXT_END_ARRAY: Final = np.array(_TEXT_END, np.uint8)
"""An array is compared in two thirds of the time that an int takes."""

_RANGE_BYTES: Final = 12
_TEXT_BYTES: Final = 8
_OBJECTS_BYTES: Final = 4_000
"""Memory of a page besides its content: per range, per text, and once."""

_MISFITS: Final = (ValueError, IndexError, OverflowError, struct.error)
"""What reading raises if a number of a page refers to something that does not exist.

A checksum does not prevent that: anyone who can write a page can also compute its checksum.
"""

_LINE_BITS: Final = 32
"""Of a line in an answer; a negative one has more, and shifting is the cheapest way to tell."""

_NO_LINE: Final = "a line that no answer can have"

_INCONSISTENT: Final = "a page with inconsistent numbers"


class Page:
    """Consecutive ranges with their answers, ready for lookups. Thread-safe.

    The starts of the ranges are summed up when the page is decoded, their chains at the first
    lookup that needs one (two threads that do so at once compute the same). Of all other columns
    only the requested values are read.

    Numbers of symbols, chains and paths count from 1; `page_layout.NONE` means absent.
    """

    __slots__ = (
        "_columns",
        "_content",
        "_first_offset",
        "_names",
        "_next_chain",
        "_starts",
        "_symbols",
        "_text_ends",
        "memory_bytes",
        "range_start",
    )

    range_start: Sequence[int]
    """Shape (ranges,): first module offset of each range, ascending."""

    memory_bytes: int
    """Size of the page in memory."""

    @classmethod
    def decode(cls, owner: bytes, data: bytes, dictionary: PageDictionary | None = None) -> Self:
        """Return the page in `data`, given its `page_owner` and its module's dictionary.

        Raises `DamagedPageError` if it is damaged or belongs to another owner.
        """
        zstd = None if dictionary is None else dictionary.zstd
        return cls.read(unseal(page_layout.MARK, owner, data, zstd))

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the page with this content; raise `DamagedPageError` if it is invalid."""
        try:
            return cls(content)
        except _MISFITS as error:
            raise DamagedPageError(_INCONSISTENT) from error

    def __init__(self, content: bytes) -> None:
        """Read the content of a page, without its envelope."""
        header = page_layout.HEADER.unpack_from(content)
        self._first_offset, ranges, self._symbols, chains, self._names, paths = header
        lengths = page_layout.column_lengths(ranges, self._symbols, chains, self._names)
        self._columns = columns = PackedColumns(content, page_layout.HEADER.size, lengths)
        starts = columns.column(_RANGE_STEP).astype(np.uint64)
        starts[0] = self._first_offset
        np.add.accumulate(starts, out=starts)
        self._starts = starts.tobytes()
        """The same as `range_start`, for `octets`."""
        self.range_start = memoryview(self._starts).cast("Q")
        self._next_chain: Integers | None = None
        """Shape (ranges,): the next new chain after each range, from 0; None until needed."""
        texts = np.frombuffer(content, np.uint8, -1, columns.end)
        text_ends = np.equal(texts, _TEXT_END_ARRAY).nonzero()[0]
        text_ends += columns.end
        self._text_ends = text_ends.astype(np.uint32).tobytes()
        """For `octets`, shape (texts,): the position in the content where each text ends."""
        count = len(text_ends)
        is_whole = len(content) == columns.end or content[-1] == _TEXT_END
        if count != self._names + paths or not is_whole:
            raise ValueError("truncated texts")
        self._content = content
        self.memory_bytes = (
            len(content) + _RANGE_BYTES * ranges + _TEXT_BYTES * count + _OBJECTS_BYTES
        )

    def find_row(self, module_offset: int) -> int:
        """Return the row of the range that covers `module_offset`, or -1 before the first."""
        return octets.find_right(self._starts, module_offset) - 1

    def symbol(self, row: int) -> int:
        """Return the number of the symbol that covers the range in `row`, or `NONE`."""
        newest, code = self._columns.new_and_number(_RANGE_SYMBOL, row)
        symbol = number_of_code(newest, code)
        if not NONE <= symbol <= self._symbols:
            raise ValueError("an unknown symbol")
        return symbol

    def find(self, module_offset: int) -> Answer | None:
        """Return the answer for `module_offset`, or None."""
        row = self.find_row(module_offset)
        return None if row < 0 else self.answer(row)

    def answer(self, row: int) -> Answer | None:
        """Return the answer of the range in `row`, or None for a gap.

        Raises `DamagedPageError` if the page is inconsistent.
        """
        try:
            return self._answer(row)
        except _MISFITS as error:
            raise DamagedPageError(_INCONSISTENT) from error

    def encoded_answer(self, row: int) -> tuple[int, bytes] | None:
        """Return the symbol's start and `api_frames.answer_fields` of a range, or None for a gap.

        Raises `DamagedPageError` as `answer` does.
        """
        pieces: list[bytes] = []
        start = self.answer_pieces(row, pieces)
        return None if start is None else (start, b"".join(pieces))

    def answer_pieces(self, row: int, pieces: list[bytes]) -> int | None:
        """Return the symbol's start as `encoded_answer` does, and append the pieces of the fields.

        Raises `DamagedPageError` as `answer` does.
        """
        try:
            return self._answer_pieces(row, pieces)
        except _MISFITS as error:
            raise DamagedPageError(_INCONSISTENT) from error

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
            self._has(symbol, IS_MULTIPLE),
            self._has(symbol, page_layout.IS_PUBLIC),
            self._symbol_size(symbol),
        )

    def _answer_pieces(self, row: int, pieces: list[bytes]) -> int | None:
        symbol = self.symbol(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row, symbol)
        name = self._text(self._name_of(NONE, symbol))
        api_frames.add_answer(
            pieces,
            name,
            file,
            line,
            inlines,
            is_multiple=self._has(symbol, IS_MULTIPLE),
            function_size=self._symbol_size(symbol),
        )
        return self._symbol_start(symbol, row)

    def _has(self, symbol: int, flag: int) -> bool:
        return bool(self._columns.value(_SYMBOL_FLAGS, symbol - 1) & flag)

    def _symbol_size(self, symbol: int) -> int:
        return self._columns.value(_SYMBOL_SIZE, symbol - 1)

    def _symbol_start(self, symbol: int, row: int) -> int:
        distance = self._columns.signed_value(_SYMBOL_START, symbol - 1)
        start = int(self._first_offset + distance) % 2**64
        if start > octets.u64(self._starts, row):
            raise ValueError("a symbol that starts after its range")
        return start

    def _chain(self, row: int) -> int:
        """Return the chain at a range, or `NONE`, as for half of all lookups."""
        code = self._columns.signed_value(_RANGE_CHAIN, row)
        if code == NONE_CODE:
            return NONE
        next_chain = self._next_chain
        if next_chain is None:
            next_chain = self._next_chain = self._columns.next_numbers(_RANGE_CHAIN)
        return number_of_code(next_chain.item(row), code)

    def _walk(self, row: int, symbol: int) -> tuple[list[tuple[bytes, bytes, int]], bytes, int]:
        """Return inline frames, innermost first, and file and line of the function."""
        chain = self._chain(row)
        name = self._name_of(chain, symbol)
        columns = self._columns
        file = columns.signed_value(_RANGE_FILE, row) + columns.value(_NAME_FILE, name)
        line = columns.signed_value(_RANGE_LINE, row) + columns.value(_NAME_LINE, name)
        inlines: list[tuple[bytes, bytes, int]] = []
        while chain != NONE:
            if line >> _LINE_BITS:
                raise ValueError(_NO_LINE)
            inlines.append((self._text(name), self._path(file), line))
            call = chain - 1
            file = columns.signed_value(_CHAIN_CALL_FILE, call)
            line = columns.signed_value(_CHAIN_CALL_LINE, call)
            steps = columns.value(_CHAIN_AROUND, call)
            if not 0 < steps <= chain:  # or the walk would never end
                raise ValueError("a chain around itself")
            chain -= steps
            if chain != NONE:  # call sites in the function itself are not relative to a name
                name = self._name_of(chain, NONE)
                file += columns.value(_NAME_FILE, name)
                line += columns.value(_NAME_LINE, name)
        if line >> _LINE_BITS:
            raise ValueError(_NO_LINE)
        return inlines, self._path(file), line

    def _name_of(self, chain: int, symbol: int) -> int:
        """Return the number of the name of an inline frame, or of the symbol for no chain."""
        place = (symbol if chain == NONE else self._symbols + chain) - 1
        new, below = self._columns.new_and_number(_NAME, place)
        name = new - (below or 1)
        if not 0 <= name < self._names:  # it would be a path, or be counted from the last text
            raise ValueError("an unknown name")
        return name

    def _path(self, number: int) -> bytes:
        if number < NONE:
            raise ValueError("an unknown path")
        return self._text(self._names + number - 1) if number != NONE else b""

    def _text(self, number: int) -> bytes:
        """Return a text; raise `ValueError` unless it is UTF-8, which no client could decode."""
        ends = self._text_ends
        start = octets.u32(ends, number - 1) + 1 if number else self._columns.end
        text = self._content[start : octets.u32(ends, number)]
        if not text.isascii():
            text.decode()
        return text
