"""Remembered answers as columns, in which many frames are found at once.

A Python dictionary is read for one frame after the other, and each read waits for memory some four
times: for the dictionary, its entry, the key, the answer. Here the keys of all frames lie side by
side, and numpy reads all of them before it continues.
"""

import threading
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

_SPARSE: Final = 16
"""Places per answer, at least: so few frames collide."""

_FRAME_BYTES: Final = 2 * (4 * 8 + _SPARSE * 4)
"""The most that a frame takes: a row and its places, in columns that are half empty."""

_LEAST_BITS: Final = 10

_SPREAD_TABLES: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_SPREAD: Final = np.uint64(0xD6E8_FEB8_6659_FD93)
"""Odd numbers whose products have well mixed upper bits."""


class FrameKeys(NamedTuple):
    """Keys of many frames."""

    asked: Words
    """Shape (frames,): as in `ManyFrames`."""

    tables: Words
    """Shape (frames,): the number of the frame's table and the number of bytes; never 0."""

    def choose(self, frames: NDArray[np.integer]) -> "FrameKeys":
        """Return those of some frames."""
        return FrameKeys(self.asked.take(frames), self.tables.take(frames))


class Answers(NamedTuple):
    """Answers of many frames."""

    encoded: NDArray[np.object_]
    """Shape (frames,): each frame as a field of its stack."""

    lengths: Numbers
    """Shape (frames,): bytes of each."""

    def choose(self, frames: NDArray[np.integer]) -> "Answers":
        """Return those of some frames."""
        return Answers(self.encoded.take(frames), self.lengths.take(frames))


class AnswerColumns:
    """Answers of frames that large requests asked for.

    Writing takes a lock, for a millisecond per thousand answers. Reading takes none: an answer is
    written before its place, and stays until all are forgotten together.
    """

    def __init__(self, max_bytes: int) -> None:
        """Use at most `max_bytes` for columns, not counting the answers."""
        self._most = max_bytes // _FRAME_BYTES
        self._lock = threading.Lock()
        self._rows = _Rows(0)

    @property
    def count(self) -> int:
        """How many answers there are."""
        return self._rows.count

    def find_many(self, keys: FrameKeys) -> tuple[Answers, Numbers]:
        """Return the answers of these frames, and the numbers of the frames without an answer.

        The answers of the latter are undefined.
        """
        rows = self._rows
        found, missing = rows.find(keys)
        return rows.answers.choose(found), missing

    def has_room(self, more: int) -> bool:
        """Return whether `more` answers can be put; otherwise there is no room until all age."""
        return self._rows.count + more <= self._most

    def put_many(self, keys: FrameKeys, answers: Answers) -> None:
        """Keep the answers of these frames, with distinct keys, if there is room."""
        with self._lock:
            _, missing = self._rows.find(keys)
            if self.has_room(len(missing)):
                self._grow(self._rows.count + len(missing))
                self._rows.put(keys.choose(missing), answers.choose(missing))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._rows = _Rows(0)

    def _grow(self, count: int) -> None:
        """Have room for `count` answers in all."""
        if count > self._rows.room:
            grown = _Rows(count)
            grown.put(*self._rows.all())
            self._rows = grown


class _Rows:
    """Keys and answers side by side in the order of putting, and where to find them.

    A key has two places; in one of them is the number of its row. Row 0 is never used.
    """

    def __init__(self, room: int) -> None:
        """Have room for at least `room` rows."""
        self._bits = max(_LEAST_BITS, (room * _SPARSE).bit_length())
        self._places: NDArray[np.int32] = np.zeros(1 << self._bits, np.int32)
        self.room = (1 << self._bits) // _SPARSE
        self.count = 0
        shape = self.room + 1
        self._keys = FrameKeys(np.zeros(shape, np.uint64), np.zeros(shape, np.uint64))
        self.answers = Answers(np.zeros(shape, np.object_), np.zeros(shape, np.int64))

    def find(self, keys: FrameKeys) -> tuple[NDArray[np.int32], Numbers]:
        """Return the row of each frame, and the numbers of the frames without one."""
        mixed = _mix(keys)
        rows = self._places.take(self._first_places(mixed))
        elsewhere = np.flatnonzero(~self._are_at(rows, keys))
        if not len(elsewhere):
            return rows, elsewhere
        others = self._places.take(self._second_places(mixed[elsewhere]))
        rows[elsewhere] = others
        return rows, elsewhere[~self._are_at(others, keys.choose(elsewhere))]

    def put(self, keys: FrameKeys, answers: Answers) -> None:
        """Put new rows; the few whose places are both taken are not found later."""
        rows = np.arange(self.count + 1, self.count + 1 + len(answers.lengths), dtype=np.int32)
        for column, values in zip((*self._keys, *self.answers), (*keys, *answers), strict=True):
            column[rows] = values
        mixed = _mix(keys)
        places = self._first_places(mixed)
        self._point_to(rows, places)
        elsewhere = np.flatnonzero(self._places[places] != rows)
        self._point_to(rows[elsewhere], self._second_places(mixed[elsewhere]))
        self.count += len(rows)

    def all(self) -> tuple[FrameKeys, Answers]:
        """Return all used rows."""
        rows = np.arange(1, self.count + 1)
        return self._keys.choose(rows), self.answers.choose(rows)

    def _are_at(self, rows: NDArray[np.int32], keys: FrameKeys) -> NDArray[np.bool_]:
        """Return for each key whether it is the key of its row."""
        asked, tables = self._keys
        are_there: NDArray[np.bool_] = asked.take(rows) == keys.asked
        are_there &= tables.take(rows) == keys.tables
        return are_there

    def _point_to(self, rows: NDArray[np.int32], places: Words) -> None:
        """Write rows to the free ones of their places; if several share a place, one wins."""
        free = np.flatnonzero(self._places[places] == 0)
        self._places[places[free]] = rows[free]

    def _first_places(self, mixed: Words) -> Words:
        return mixed >> np.uint64(64 - self._bits)

    def _second_places(self, mixed: Words) -> Words:
        return (mixed >> np.uint64(64 - 2 * self._bits)) & np.uint64((1 << self._bits) - 1)


def _mix(keys: FrameKeys) -> Words:
    """Return a number for each key whose upper half is as good as random."""
    return (keys.asked ^ (keys.tables * _SPREAD_TABLES)) * _SPREAD
