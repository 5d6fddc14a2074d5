"""The rule that an INLINE record stands at most one level below the one before it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.columns import FunctionParts, InlineColumns, select

_LEVEL_OF_FUNCTION: Final = 0
"""The reference takes a function for level 0, so that its first record may say level 1."""


def drop_too_deep(parts: FunctionParts) -> tuple[FunctionParts, int]:
    """Return `parts` without the INLINE records that are too deep, and how many those are.

    A record is too deep when its level is more than one below that of the last record kept of
    its function: the record that it stands in was bad.
    """
    is_kept = _find_kept(parts.inlines)
    dropped = int(np.count_nonzero(~is_kept))
    if not dropped:
        return parts, 0
    inlines = select(parts.inlines, is_kept)
    ranges = select(parts.ranges, np.isin(parts.ranges.record, inlines.number))
    return FunctionParts(parts.lines, inlines, ranges), dropped


def _find_kept(inlines: InlineColumns) -> NDArray[np.bool_]:
    before = np.full(len(inlines.level), _LEVEL_OF_FUNCTION)
    follows = inlines.owner[1:] == inlines.owner[:-1]
    before[1:][follows] = inlines.level[:-1][follows]
    is_kept = inlines.level <= before + 1
    for owner in np.unique(inlines.owner[~is_kept]).tolist():
        first, end = np.searchsorted(inlines.owner, [owner, owner + 1])
        last_level = _LEVEL_OF_FUNCTION
        for row, level in enumerate(inlines.level[first:end].tolist(), int(first)):
            is_kept[row] = level <= last_level + 1
            if is_kept[row]:
                last_level = level
    return is_kept
