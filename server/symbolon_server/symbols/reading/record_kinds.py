"""The kind of record on each line of a block."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.reading.records import RecordKind
from symbolon_server.symbols.reading.tokens import Numbers, TextBlock

KINDS: Final = (
    RecordKind.LINE,
    RecordKind.INLINE,
    RecordKind.STACK,
    RecordKind.FUNC,
    RecordKind.PUBLIC,
    RecordKind.FILE,
    RecordKind.INLINE_ORIGIN,
    RecordKind.INFO,
    RecordKind.MODULE,
)
"""Kinds by code. A line record has no first word: whatever is not another kind is one."""

CODES: Final = {kind: code for code, kind in enumerate(KINDS)}

_WORD = 8


def find_kinds(block: TextBlock) -> NDArray[np.int8]:
    """Return the code of each line's kind; shape (lines,)."""
    starts = block.line_starts
    first = block.letters[starts]
    codes = np.zeros(len(starts), np.int8)
    for kind, code in CODES.items():
        if kind is not RecordKind.LINE:
            codes[_begins_with(f"{kind} ".encode(), first)] = code
    _check_long_word(block, codes)
    return codes


def _begins_with(word: bytes, first: Numbers) -> NDArray[np.bool_]:
    """Return where the eight letters `first` start with `word`, or with its first eight letters."""
    letters = word[:_WORD]
    mask = np.uint64((1 << (8 * len(letters))) - 1)
    found: NDArray[np.bool_] = (first & mask) == np.uint64(int.from_bytes(letters, "little"))
    return found


def _check_long_word(block: TextBlock, codes: NDArray[np.int8]) -> None:
    """Undo the one kind whose word is longer than eight letters where the rest differs."""
    rest = f"{RecordKind.INLINE_ORIGIN} ".encode()[_WORD:]
    (lines,) = np.nonzero(codes == CODES[RecordKind.INLINE_ORIGIN])
    following = block.letters[block.line_starts[lines] + _WORD]
    codes[lines[~_begins_with(rest, following)]] = CODES[RecordKind.LINE]
