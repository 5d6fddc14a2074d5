"""Numbers given out in the order of first use, for many columns over the same values."""

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.column_codes import Integers


class FirstUses:
    """Numbers values of a known range without sorting them; used by one thread.

    It keeps a place for each possible value, which a column fills with the rows where its values
    are used first: what an earlier column left there is never read.
    """

    def __init__(self, values: int) -> None:
        """Expect values from 0 up to `values`."""
        self._first_rows = np.zeros(values, np.int32)

    def number(self, column: NDArray[np.int32]) -> tuple[Integers, Integers]:
        """Return each value's number, from 1 in the order of first use, and the values by number.

        A negative value has number 0, and is not among them.
        """
        is_used = column >= 0
        used = column if is_used.all() else column[is_used]
        rows = np.arange(len(used), dtype=np.int32)
        # Where a value stands more than once, what is assigned last stays: its first row.
        self._first_rows[used[::-1]] = rows[::-1]
        first_rows = self._first_rows[used]
        is_first = first_rows == rows
        numbers = np.cumsum(is_first)[first_rows]
        if len(used) < len(column):
            all_numbers = np.zeros(len(column), np.int64)
            all_numbers[is_used] = numbers
            numbers = all_numbers
        return numbers, used[is_first].astype(np.int64)
