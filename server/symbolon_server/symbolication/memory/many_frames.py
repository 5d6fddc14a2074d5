"""The frames of a large request as columns, without an object for each frame.

On the wire a stack is its frames one after another, each behind the tag of its field and its
length. Clients write all frames in one way: module index, module offset, flag. So where each
frame begins shows in a few bytes; that nothing else was taken for a frame shows in that each
ends where the next begins.

Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

_FRAMES: Final = 0x0A
"""The tag of the field `frames` of a stack."""

_MODULE_INDEX: Final = 0x08
"""The tag of the field `module_index` of a frame."""

_TOO_LONG: Final = 17
"""Bytes that no frame of a client has."""

_BEFORE_FRAME: Final = 2
_BEFORE_INDEX: Final = 3
_BEFORE_ASKED: Final = 4
"""Bytes from the beginning of a field to its frame, to the frame's module index, and to what
follows that where it has one byte."""

_MOST_TRIES: Final = 3
"""A second is often needed: a length of 10, a tag and a module index of 8 look like a beginning."""

_MORE: Final = 0x80
_WORD_BYTES: Final = 8
_END: Final = bytes([_FRAMES, 0, _MODULE_INDEX]) + bytes(2 * _WORD_BYTES)
"""Follows all frames: one more field begins there, and the last word ends before it does."""

_MASKS: Final = np.array(
    [(1 << 8 * length) - 1 if length <= _WORD_BYTES else 0 for length in range(1 << 8)], np.uint64
)
"""The bits of a word that so many bytes have, none where they are too many, or less than none."""


@dataclass(frozen=True, slots=True)
class ManyFrames:
    """The frames of all stacks of a request, in their order."""

    encoded: bytes
    """All stacks, and what follows them."""

    starts: Numbers
    """Shape (frames,): where each field `frames` begins in `encoded`."""

    module_indexes: NDArray[np.integer]
    """Shape (frames,)."""

    asked: Words
    """Shape (frames,): what follows the module index, as the bytes of a little-endian number.

    It is 0 where that is nothing or more than eight bytes.
    """

    asked_lengths: NDArray[np.uint8]
    """Shape (frames,): how many bytes follow the module index."""

    ends: Numbers
    """Shape (stacks,): the number of frames before the end of each stack."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.starts)

    def frame(self, number: int) -> bytes:
        """Return one frame as it was encoded."""
        start = int(self.starts[number]) + _BEFORE_FRAME
        return self.encoded[start : start + self.encoded[start - 1]]


def read_many_frames(stacks: Sequence[bytes]) -> ManyFrames | None:
    """Return the frames of encoded `symbolon.v1.Stack`s.

    None where there is none, or one is not as clients write it. What follows the module index of
    a frame was not looked at: it may be no frame.
    """
    encoded = b"".join([*stacks, _END])
    octets = np.frombuffer(encoded, np.uint8)
    bounds, lengths = _find_bounds(octets[: len(octets) - 2 * _WORD_BYTES])
    stack_ends = list(accumulate(map(len, stacks)))
    ends = bounds.searchsorted(stack_ends)
    starts = bounds[:-1]
    if not len(starts) or (bounds.take(ends, mode="clip") != stack_ends).any():
        return None
    indexes: NDArray[np.integer] = octets.take(starts + _BEFORE_INDEX)
    asked_starts = starts + _BEFORE_ASKED
    lengths -= _BEFORE_ASKED - _BEFORE_FRAME
    if indexes.max() >= _MORE:
        longer = indexes >= _MORE
        seconds = octets.take(asked_starts)
        if (seconds[longer] >= _MORE).any():
            return None
        indexes = indexes + longer * (seconds.astype(np.int64) * _MORE - _MORE)
        asked_starts += longer
        lengths -= longer
    words: Words = np.ndarray(len(encoded) - _WORD_BYTES, "<u8", encoded, strides=(1,))
    asked = words[asked_starts] & _MASKS.take(lengths)
    return ManyFrames(encoded, starts, indexes, asked, lengths, ends)


def _find_bounds(octets: NDArray[np.uint8]) -> tuple[Numbers, NDArray[np.uint8]]:
    """Return where fields `frames` begin, each where the one before it ends, and how long each is.

    Shapes (frames + 1,), the last follows all frames, and (frames,). There is no frame where
    there is no such row of fields from 0 on.
    """
    may_begin = octets[:-2] == _FRAMES
    may_begin &= octets[2:] == _MODULE_INDEX
    may_begin &= octets[1:-1] < _TOO_LONG
    bounds = np.flatnonzero(may_begin)
    for _ in range(_MOST_TRIES):
        if not len(bounds) or bounds[0] != 0:
            break
        starts = bounds[:-1]
        lengths = octets.take(starts + 1)
        ends = starts + (lengths + _BEFORE_FRAME)
        if (ends == bounds[1:]).all():
            return bounds, lengths
        # Bytes within a frame may look like the beginning of one, but no frame ends before them.
        is_end = np.zeros(len(octets) + _TOO_LONG, np.bool_)
        is_end[ends] = True
        is_end[0] = True
        bounds = bounds[is_end[bounds]]
    return np.zeros(1, np.int64), octets[:0]
