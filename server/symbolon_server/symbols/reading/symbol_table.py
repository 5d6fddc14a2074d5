"""All answers of one module: what reading a symbol file results in."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import ModuleFacts
from symbolon_server.symbols.reading.inline_chains import NO_INLINE, Chains

NO_SYMBOL: Final = -1
"""The symbol of a gap."""

NO_TEXT: Final = 0
"""The number of the empty text."""

UNNAMED_ORIGIN: Final = b"<name omitted>"
"""The name of an inline frame whose INLINE_ORIGIN record is missing."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """Functions and public symbols; all columns have shape (symbols,)."""

    start: NDArray[np.uint64]
    size: NDArray[np.uint64]
    """Size of a function in bytes; 0 for a public symbol, whose size no record gives."""

    name: NDArray[np.int32]
    """Number of the text."""

    is_multiple: NDArray[np.bool_]
    is_public: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Consecutive ranges, each up to the start of the next; all columns have shape (ranges,)."""

    start: NDArray[np.uint64]
    """First module offset, strictly ascending."""

    symbol: NDArray[np.int32]
    """Row in `Symbols`, or `NO_SYMBOL`."""

    chain: NDArray[np.int32]
    """Row in `Chains`, or `NO_INLINE`."""

    file: NDArray[np.int32]
    """Number of the text, or `NO_TEXT` if unknown."""

    line: NDArray[np.uint32]
    """0 if unknown."""


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """The answer of a module for each of its offsets."""

    facts: ModuleFacts
    ranges: Ranges
    symbols: Symbols
    chains: Chains
    """In order of first use, each after the one around it; origins and files are texts."""

    texts: list[bytes]
    """Names and paths as UTF-8, by number; the first one is empty."""

    debug_module: ModuleId | None = None
    """Where its file says that the debug information is, if it has none itself."""

    def find(self, module_offset: int) -> Answer | None:
        """Return the answer for `module_offset`, or None."""
        row = int(np.searchsorted(self.ranges.start, np.uint64(module_offset), side="right")) - 1
        if row < 0 or self.ranges.symbol[row] == NO_SYMBOL:
            return None
        symbol = int(self.ranges.symbol[row])
        file, line = int(self.ranges.file[row]), int(self.ranges.line[row])
        inlines, file, line = self._walk(int(self.ranges.chain[row]), file, line)
        return Answer(
            self.texts[self.symbols.name[symbol]].decode(),
            int(self.symbols.start[symbol]),
            self.texts[file].decode(),
            line,
            inlines,
            bool(self.symbols.is_multiple[symbol]),
            bool(self.symbols.is_public[symbol]),
            int(self.symbols.size[symbol]),
        )

    def _walk(self, chain: int, file: int, line: int) -> tuple[tuple[InlineAnswer, ...], int, int]:
        """Return the inline frames of `chain`, and file and line of the call in the function."""
        inlines = []
        while chain != NO_INLINE:
            name = self.texts[self.chains.origin[chain]].decode()
            inlines.append(InlineAnswer(name, self.texts[file].decode(), line))
            file = int(self.chains.call_file[chain])
            line = int(self.chains.call_line[chain])
            chain = int(self.chains.around[chain])
        return tuple(inlines), file, line
