"""Reads pages."""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols import page_layout, wire
from symbolon_server.symbols.answers import Answer, InlineAnswer
from symbolon_server.symbols.column_codes import (
    Groups,
    Integers,
    from_below_next,
    read_column,
    unzigzag,
)
from symbolon_server.symbols.envelope import unseal
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.page_layout import NONE, PageColumns


@dataclass(frozen=True, slots=True)
class Page:
    """A run of ranges and everything that they answer, ready to be searched.

    Numbers of symbols, chains and paths count from 1 here too; `page_layout.NONE` is none.
    """

    range_start: NDArray[np.uint64]
    range_symbol: Integers
    range_chain: Integers
    range_file: Integers
    range_line: Integers
    symbol_start: NDArray[np.uint64]
    symbol_name: Integers
    symbol_is_multiple: NDArray[np.uint64]
    chain_around: Integers
    chain_origin: Integers
    chain_call_file: Integers
    chain_call_line: Integers
    names: int
    """How many of the texts are names; paths follow them."""

    text_ends: Integers
    """Shape (texts,): where each text ends in `texts`."""

    texts: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the page that `data` is; raise `DamagedPageError` where it is none."""
        content = unseal(page_layout.MARK, data)
        try:
            return cls._from_content(content)
        except (ValueError, IndexError, struct.error) as error:
            raise DamagedPageError("a page whose columns do not fit") from error

    @classmethod
    def _from_content(cls, content: bytes) -> Self:
        first_offset, *counts = page_layout.HEADER.unpack_from(content)
        view, place = memoryview(content), page_layout.HEADER.size
        read = []
        for length in page_layout.column_lengths(*counts):
            column, place = read_column(view, place, length)
            read.append(column)
        columns = PageColumns(*read)
        symbols = len(columns.symbol_name)
        names = from_below_next(
            unzigzag(np.concatenate([columns.symbol_name, columns.chain_origin]))
        )
        symbol_name, chain_origin = names[:symbols], names[symbols:]
        range_symbol = np.cumsum(unzigzag(columns.range_symbol))
        range_chain = _read_chains(columns.range_chain)
        chain_around = np.arange(1, len(chain_origin) + 1) - columns.chain_around.view(np.int64)
        by_name = Groups.of(
            page_layout.names_of_code(range_symbol, range_chain, symbol_name, chain_origin)
        )
        by_outer = Groups.of(page_layout.names_around(chain_around, chain_origin))
        return cls(
            range_start=np.cumsum(columns.range_step, dtype=np.uint64) + np.uint64(first_offset),
            range_symbol=range_symbol,
            range_chain=range_chain,
            range_file=by_name.sums(unzigzag(columns.range_file)),
            range_line=by_name.sums(unzigzag(columns.range_line)),
            symbol_start=unzigzag(columns.symbol_start).view(np.uint64) + np.uint64(first_offset),
            symbol_name=symbol_name,
            symbol_is_multiple=columns.symbol_is_multiple,
            chain_around=chain_around,
            chain_origin=chain_origin,
            chain_call_file=by_outer.sums(unzigzag(columns.chain_call_file)),
            chain_call_line=by_outer.sums(unzigzag(columns.chain_call_line)),
            names=counts[3],
            text_ends=np.cumsum(columns.text_length, dtype=np.int64),
            texts=content[place:],
        )

    @property
    def memory_bytes(self) -> int:
        """Bytes that the page takes in memory."""
        columns = (self.range_start, self.range_symbol, self.range_chain, self.range_file)
        chains = (self.chain_around, self.chain_origin, self.chain_call_file, self.chain_call_line)
        others = (self.range_line, self.symbol_start, self.symbol_name, self.text_ends)
        return len(self.texts) + sum(column.nbytes for column in (*columns, *chains, *others))

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
            self._text(self.symbol_name.item(symbol - 1)).decode(),
            self.symbol_start.item(symbol - 1),
            file.decode(),
            line,
            tuple(InlineAnswer(name.decode(), path.decode(), at) for name, path, at in inlines),
            bool(self.symbol_is_multiple.item(symbol - 1)),
        )

    def encoded_answer(self, row: int) -> tuple[int, bytes] | None:
        """Return the symbol's start and `wire.answer_fields` of a range, or None in a gap."""
        symbol = self.range_symbol.item(row)
        if symbol == NONE:
            return None
        inlines, file, line = self._walk(row)
        return self.symbol_start.item(symbol - 1), wire.answer_fields(
            self._text(self.symbol_name.item(symbol - 1)),
            file,
            line,
            [wire.inline_frame(*inline) for inline in inlines],
            bool(self.symbol_is_multiple.item(symbol - 1)),
        )

    def _walk(self, row: int) -> tuple[list[tuple[bytes, bytes, int]], bytes, int]:
        """Return the inline frames at a range, innermost first, and the place in the function."""
        own_file, line = self.range_file.item(row), self.range_line.item(row)
        file, chain, inlines = own_file, self.range_chain.item(row), []
        while chain != NONE:
            name = self._text(self.chain_origin.item(chain - 1))
            inlines.append((name, self._path(file), line))
            file = self.chain_call_file.item(chain - 1) or own_file
            line = self.chain_call_line.item(chain - 1)
            chain = self.chain_around.item(chain - 1)
        return inlines, self._path(file), line

    def _path(self, number: int) -> bytes:
        return self._text(self.names + number - 1) if number != NONE else b""

    def _text(self, number: int) -> bytes:
        first = self.text_ends.item(number - 1) if number else 0
        return self.texts[first : self.text_ends.item(number)]


def _read_chains(codes: NDArray[np.uint64]) -> Integers:
    is_none = codes == NONE
    # Where there is no chain, nothing new is used: as if it were the highest one so far.
    below = np.where(is_none, 1, unzigzag(codes - np.uint64(1)))
    return np.where(is_none, NONE, from_below_next(below) + 1)
