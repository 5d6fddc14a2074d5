"""The strings of a SymCache."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.columns import NONE, Numbers

_MAX_LENGTH_BYTES: Final = 5
"""What a LEB128 number of 32 bits takes."""

NOT_IN_TEXTS: Final = bytes.maketrans(b"\n\r\0", b"___")
"""Bytes that no line of a symbol file has, and that pages use for themselves."""


def read_strings(strings: NDArray[np.uint8], offsets: Numbers) -> list[bytes]:
    """Return the string at each of these distinct offsets; the one at `NONE` is empty.

    Raises `MalformedSymbolFileError` unless all are UTF-8 within `strings`. Together they must
    fit into it: strings that overlap could be a million times as long as it is.
    """
    is_present = offsets != NONE
    starts, ends = _find(strings, offsets[is_present].astype(np.int64))
    if (ends - starts).sum() > len(strings):
        raise MalformedSymbolFileError("its SymCache is damaged: strings overlap")
    view = strings.data
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    found = iter([_clean(bytes(view[start:end])) for start, end in spans])
    return [next(found) if present else b"" for present in is_present.tolist()]


def _find(
    strings: NDArray[np.uint8], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and end of the text at each offset."""
    starts = offsets.copy()
    lengths = np.zeros(len(offsets), np.int64)
    rows = np.arange(len(offsets))
    for place in range(_MAX_LENGTH_BYTES):
        if (starts[rows] >= len(strings)).any():
            raise MalformedSymbolFileError("its SymCache is damaged: a string leads nowhere")
        digits = strings[starts[rows]].astype(np.int64)
        lengths[rows] |= (digits & 0x7F) << (7 * place)
        starts[rows] += 1
        rows = rows[digits > 0x7F]  # noqa: PLR2004 - the highest bit says that more follow
    ends = starts + lengths
    if len(rows) or (ends > len(strings)).any():
        raise MalformedSymbolFileError("its SymCache is damaged: a string leads nowhere")
    return starts, ends


def _clean(text: bytes) -> bytes:
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            problem = "a string is not UTF-8"
            raise MalformedSymbolFileError(f"its SymCache is damaged: {problem}") from error
    return text.translate(NOT_IN_TEXTS)
