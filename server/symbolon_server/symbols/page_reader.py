"""Reads pages."""

import struct
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols import page_layout, wire
from symbolon_server.symbols.answers import Answer, InlineAnswer
from symbolon_server.symbols.column_codes import Groups, Integers, from_below_next, read_columns
from symbolon_server.symbols.envelope import unseal
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.page_layout import NONE, PageColumns
from symbolon_server.symbols.records import MAX_LINE

_LINE_BITS: Final = 32

_OBJECTS_BYTES: Final = 4_000
"""What the objects of a page take beside their numbers and texts."""

_FEW_ROWS: Final = 6
"""Rows that cost less one by one than all rows of the page at once."""


class Page:
    """A run of ranges and everything that they answer, ready to be searched.

    Most pages are asked for one or two of their ranges, so what takes time and only some ranges
    need is made when it is needed. Any number of threads may read a page: what two of them make
    at once is equal.

    Numbers of symbols, chains and paths count from 1 here too; `page_layout.NONE` is none. A
    *place* is a path's number and, in the low 32 bits, a line: what belongs together is read
    together.
    """

    __slots__ = (
        "_asked_rows",
        "_call_places",
        "_columns",
        "_content",
        "_first_offset",
        "_name",
        "_name_of_code",
        "_names",
        "_place_steps",
        "_places",
        "_text_ends",
        "range_chain",
        "range_start",
        "range_symbol",
    )

    range_start: NDArray[np.uint64]
    """Shape (ranges,): first module offset of each range, ascending."""

    range_symbol: Integers
    """Shape (ranges,): the symbol that covers each range."""

    range_chain: Integers
    """Shape (ranges,): the chain of inline frames at each range."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the page that `data` is; raise `DamagedPageError` where it is none."""
        content = unseal(page_layout.MARK, data)
        try:
            return cls(content)
        except (ValueError, IndexError, struct.error) as error:
            raise DamagedPageError("a page whose columns do not fit") from error

    def __init__(self, content: bytes) -> None:
        """Read the content of a page, as it is in its envelope."""
        self._first_offset, *counts = page_layout.HEADER.unpack_from(content)
        body = memoryview(content)[page_layout.HEADER.size :]
        read, texts_start = read_columns(body, page_layout.column_lengths(*counts))
        self._content, self._columns = content, PageColumns(*read)
        kind = self._columns.name.dtype
        steps = np.cumsum(self._columns.range_step, dtype=np.int64).view(np.uint64)
        self.range_start = steps + np.uint64(self._first_offset)
        self.range_symbol = np.cumsum(self._columns.range_symbol, dtype=kind)
        self.range_chain = page_layout.chains_of_codes(self._columns.range_chain)
        self._name = np.empty(len(self._columns.name) + 1, kind)
        """Shape (1 + symbols + chains,): the text that names each symbol, then each chain."""
        self._name[0] = page_layout.NO_NAME
        self._name[1:] = from_below_next(self._columns.name)
        self._name_of_code = page_layout.names_of_code(
            self.range_symbol, self.range_chain, self._name
        )
        self._place_steps = _join(self._columns.range_file, self._columns.range_line)
        self._places: NDArray[np.int64] | None = None
        self._call_places: tuple[Integers, NDArray[np.int64]] | None = None
        self._asked_rows = 0
        self._names = counts[3]
        self._text_ends = np.cumsum(self._columns.text_length, dtype=np.int64)
        self._text_ends += page_layout.HEADER.size + texts_start

    @property
    def memory_bytes(self) -> int:
        """Bytes that the page takes in memory at most, when all of it has been asked for."""
        ranges, chains = len(self.range_start), len(self._columns.chain_around)
        columns = 5 * ranges + 4 * chains + 2 * len(self._columns.symbol_start)
        made = (8 + 8 + 8 + 3 * self._name.itemsize) * ranges + (8 + 4) * chains
        return len(self._content) + self._name.itemsize * columns + made + _OBJECTS_BYTES

    def find_row(self, module_offset: int) -> int:
        """Return the row of the range that covers `module_offset`, or -1 before the first."""
        place = np.searchsorted(self.range_start, np.uint64(module_offset), side="right")
        return int(place) - 1

    def find(self, module_offset: int) -> Answer | None:
        """Return what covers `module_offset`, if anything does."""
        row = self.find_row(module_offset)
        return None if row < 0 else self.answer(row)

    def answer(self, row: int) -> Answer | None:
        """Return what the range in `row` answers, or None where it is a gap."""
        symbol = self.range_symbol.item(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row)
        return Answer(
            self._text(self._name.item(symbol)).decode(),
            self._symbol_start(symbol),
            file.decode(),
            line,
            tuple(InlineAnswer(name.decode(), path.decode(), at) for name, path, at in inlines),
            self._has(symbol, page_layout.IS_MULTIPLE),
            self._has(symbol, page_layout.IS_PUBLIC),
        )

    def encoded_answer(self, row: int) -> tuple[int, bytes] | None:
        """Return the symbol's start and `wire.answer_fields` of a range, or None in a gap."""
        symbol = self.range_symbol.item(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row)
        return self._symbol_start(symbol), wire.answer_fields(
            self._text(self._name.item(symbol)),
            file,
            line,
            [wire.inline_frame(*inline) for inline in inlines],
            self._has(symbol, page_layout.IS_MULTIPLE),
        )

    def _has(self, symbol: int, flag: int) -> bool:
        return bool(self._columns.symbol_flags.item(symbol - 1) & flag)

    def _symbol_start(self, symbol: int) -> int:
        distance: int = self._columns.symbol_start.item(symbol - 1)
        return int(self._first_offset + distance) % 2**64

    def _walk(self, row: int) -> tuple[list[tuple[bytes, bytes, int]], bytes, int]:
        """Return the inline frames at a range, innermost first, and the place in the function."""
        place = self._place(row)
        own_file, line = place >> _LINE_BITS, place & MAX_LINE
        file, chain = own_file, self.range_chain.item(row)
        inlines: list[tuple[bytes, bytes, int]] = []
        if chain == NONE:
            return inlines, self._path(file), line
        around, call_places = self._calls()
        symbols = len(self._columns.symbol_start)
        while chain != NONE:
            name = self._text(self._name.item(symbols + chain))
            inlines.append((name, self._path(file), line))
            place = call_places.item(chain - 1)
            file, line = place >> _LINE_BITS or own_file, place & MAX_LINE
            chain = around.item(chain - 1)
        return inlines, self._path(file), line

    def _place(self, row: int) -> int:
        """Return the place of the code at a range: the sum of the steps of its name."""
        self._asked_rows += 1
        if self._places is None and self._asked_rows > _FEW_ROWS:
            self._places = Groups.of(self._name_of_code).sums(self._place_steps)
        if self._places is not None:
            return int(self._places[row])
        rows = np.flatnonzero(self._name_of_code[: row + 1] == self._name_of_code[row])
        return int(self._place_steps[rows].sum())

    def _calls(self) -> tuple[Integers, NDArray[np.int64]]:
        """Return the chain around each chain, and the place from which each is called."""
        if self._call_places is None:
            columns = self._columns
            numbers = np.arange(1, len(columns.chain_around) + 1, dtype=self._name.dtype)
            around = numbers - columns.chain_around
            by_outer = Groups.of(page_layout.names_around(around, self._name))
            steps = _join(columns.chain_call_file, columns.chain_call_line)
            self._call_places = around, by_outer.sums(steps)
        return self._call_places

    def _path(self, number: int) -> bytes:
        return self._text(self._names + number - 1) if number != NONE else b""

    def _text(self, number: int) -> bytes:
        end: int = self._text_ends.item(number)
        return self._content[end - self._columns.text_length.item(number) : end]


def _join(files: Integers, lines: Integers) -> NDArray[np.int64]:
    """Return one column of both, so that its sums are those of both."""
    return (files.astype(np.int64) << _LINE_BITS) + lines
