"""Large requests: all frames read as columns and recalled at once.

On the wire a stack is its frames one after another, each behind the tag of its field and its
length. Clients write all frames in the same way: module index, module offset, flag. So a few bytes
show where each frame starts. That nothing else was taken for a frame shows because each frame ends
where the next one starts. Frames in any other form are recalled one by one.

The tests compare this with recalling one frame after the other.

Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbolication.memory.answer_columns import (
    AnswerColumns,
    Answers,
    FrameKeys,
    Numbers,
    Words,
)
from symbolon_server.symbolication.memory.queries import EncodedStacks
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbols.paging import api_frames

_FRAMES: Final = 0x0A
"""The tag of the field `frames` of a stack."""

_MODULE_INDEX: Final = 0x08
"""The tag of the field `module_index` of a frame."""

_TOO_LONG: Final = 17
"""Bytes: frames of clients are shorter."""

_BEFORE_FRAME: Final = 2
_BEFORE_INDEX: Final = 3
_BEFORE_ASKED: Final = 4
"""Bytes from the start of a field to its frame, to the frame's module index, and to what follows a
module index of one byte."""

_MOST_TRIES: Final = 3
"""The first try often fails: a length of 10, a tag and a module index of 8 look like a start."""

_MORE: Final = 0x80
_WORD_BYTES: Final = 8
_END: Final = bytes([_FRAMES, 0, _MODULE_INDEX]) + bytes(2 * _WORD_BYTES)
"""Follows all frames: another field starts there, and the last word ends before it does."""

_MASKS: Final = np.array(
    [(1 << 8 * length) - 1 if length <= _WORD_BYTES else 0 for length in range(1 << 8)], np.uint64
)
"""By a number of bytes, the bits of a word that they fill; 0 if they are too many or negative."""

_LENGTH_BITS: Final = 4
"""Enough for the number of bytes in a key."""

_FEW: Final = 32
"""If at most one frame in this many is missing, it is not put into the columns: some never find a
place there."""

_NOTHING: Final = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True)
class ManyFrames:
    """The frames of all stacks of a request, in order."""

    encoded: bytes
    """All stacks, and `_END`."""

    starts: Numbers
    """Shape (frames,): where each field `frames` starts in `encoded`."""

    module_indexes: NDArray[np.integer]
    """Shape (frames,)."""

    asked: Words
    """Shape (frames,): the bytes after the module index, as a little-endian number.

    It is 0 if there are none, or more than eight.
    """

    asked_lengths: NDArray[np.uint8]
    """Shape (frames,): the number of bytes after the module index."""

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

    Returns None if there are no frames, or if one is in another form than clients write. The bytes
    after the module index are not checked: they may be invalid.
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
    """Return where the fields `frames` start, and the length of each frame.

    Shapes (frames + 1,), of which the last follows all frames, and (frames,). Each field starts
    where the one before it ends, the first at 0; if there is no such sequence, there are no frames.
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
        # Bytes within a frame may look like the start of one, but no frame ends before them.
        is_end = np.zeros(len(octets) + _TOO_LONG, np.bool_)
        is_end[ends] = True
        is_end[0] = True
        bounds = bounds[is_end[bounds]]
    return np.zeros(1, np.int64), octets[:0]


def recall_many(recall: Recall, columns: AnswerColumns, frames: ManyFrames) -> EncodedStacks | None:
    """Return the answered stacks of `frames` if all are remembered, else None.

    Frames that are not in `columns` are recalled one by one and put there. If there are many of
    them and there is no room, the result is None, too.
    """
    keys = _find_keys(recall, frames)
    if keys is None:
        return None
    answers, missing = columns.find_many(keys)
    if len(missing):
        are_few = len(missing) * _FEW <= len(frames)
        if not are_few and not columns.has_room(len(missing)):
            return None  # one by one takes longer, here and in each later call
        if not _recall_missing(recall, frames, answers, missing):
            return None
        if not are_few:
            columns.put_many(*_choose_distinct(keys, answers, missing))
    return _encode(answers, frames.ends)


def _find_keys(recall: Recall, frames: ManyFrames) -> FrameKeys | None:
    """Return the keys of `frames`, or None if one of their modules is not in memory."""
    used = np.flatnonzero(np.bincount(frames.module_indexes)).tolist()
    tables = np.zeros(used[-1] + 1, np.uint64)
    for index in used:
        module = recall.open(index)
        if module is None:
            return None
        tables[index] = module.frames.number << _LENGTH_BITS
    return FrameKeys(frames.asked, tables.take(frames.module_indexes) | frames.asked_lengths)


def _recall_missing(recall: Recall, frames: ManyFrames, answers: Answers, missing: Numbers) -> bool:
    """Put the answers of the frames `missing` into `answers`; return whether all have one."""
    for number in missing.tolist():
        answer = recall.find(frames.frame(number))
        if answer is None:
            return False
        answers.encoded[number] = answer
        answers.lengths[number] = len(answer)
    return True


def _choose_distinct(
    keys: FrameKeys, answers: Answers, frames: Numbers
) -> tuple[FrameKeys, Answers]:
    """Return each key of `frames` once with its answer; skip frames that are too long for a key."""
    frames = frames[keys.asked[frames] != 0]
    pairs = np.stack([keys.asked[frames], keys.tables[frames]], 1)
    _, firsts = np.unique(pairs, axis=0, return_index=True)
    return keys.choose(frames[firsts]), answers.choose(frames[firsts])


def _encode(answers: Answers, ends: Numbers) -> EncodedStacks:
    """Return all answers as stacks; `ends` has the number of frames before each stack's end."""
    encoded = answers.encoded.tolist()
    bytes_before = np.concatenate((_NOTHING, answers.lengths.cumsum())).take(ends).tolist()
    pieces: list[bytes] = []
    start = done = 0
    for end, before in zip(ends.tolist(), bytes_before, strict=True):
        pieces.append(api_frames.stack_start(before - done))
        pieces += encoded[start:end]
        start, done = end, before
    return EncodedStacks(done, pieces)
