"""Many frames recalled at once: the fast path of large requests.

The tests hold this against recalling one frame after the other.
"""

from typing import Final

import numpy as np

from symbolon_server.symbolication.memory.answer_columns import AnswerColumns, Answers, FrameKeys
from symbolon_server.symbolication.memory.many_frames import ManyFrames, Numbers
from symbolon_server.symbolication.memory.queries import EncodedStacks
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbols.paging import api_frames

_LENGTH_BITS: Final = 4
"""Enough for the bytes that one of `ManyFrames` asks."""

_FEW: Final = 32
"""One frame of so many is not worth being put into the columns; some find no place there."""

_NOTHING: Final = np.zeros(1, np.int64)


def recall_many(recall: Recall, columns: AnswerColumns, frames: ManyFrames) -> EncodedStacks | None:
    """Return the stacks of `frames` where all are remembered, None otherwise.

    What is in `columns` is found there; the rest `recall` finds, and it is put there. None also
    where much is not there and has no room.
    """
    keys = _find_keys(recall, frames)
    if keys is None:
        return None
    answers, missing = columns.find_many(keys)
    if len(missing):
        are_few = len(missing) * _FEW <= len(frames)
        if not are_few and not columns.has_room(len(missing)):
            return None  # to find them one by one, here and in each further call, takes longer
        if not _recall_missing(recall, frames, answers, missing):
            return None
        if not are_few:
            columns.put_many(*_choose_distinct(keys, answers, missing))
    return _encode(answers, frames.ends)


def _find_keys(recall: Recall, frames: ManyFrames) -> FrameKeys | None:
    """Return the keys of `frames`, None where a module of theirs is not held."""
    used = np.flatnonzero(np.bincount(frames.module_indexes)).tolist()
    tables = np.zeros(used[-1] + 1, np.uint64)
    for index in used:
        module = recall.open(index)
        if module is None:
            return None
        tables[index] = module.frames.number << _LENGTH_BITS
    return FrameKeys(frames.asked, tables.take(frames.module_indexes) | frames.asked_lengths)


def _recall_missing(recall: Recall, frames: ManyFrames, answers: Answers, missing: Numbers) -> bool:
    """Put the answers of the frames `missing` into `answers`; tell whether all have one."""
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
    """Return each key of `frames` once, and its answer, but for frames too long for a key."""
    frames = frames[keys.asked[frames] != 0]
    pairs = np.stack([keys.asked[frames], keys.tables[frames]], 1)
    _, firsts = np.unique(pairs, axis=0, return_index=True)
    return keys.choose(frames[firsts]), answers.choose(frames[firsts])


def _encode(answers: Answers, ends: Numbers) -> EncodedStacks:
    """Return all answers as stacks, each of which ends before the number that `ends` has."""
    encoded = answers.encoded.tolist()
    bytes_before = np.concatenate((_NOTHING, answers.lengths.cumsum())).take(ends).tolist()
    pieces: list[bytes] = []
    start = done = 0
    for end, before in zip(ends.tolist(), bytes_before, strict=True):
        pieces.append(api_frames.stack_start(before - done))
        pieces += encoded[start:end]
        start, done = end, before
    return EncodedStacks(done, pieces)
