"""The frames of one request, and the choice between the two ways to recall them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from symbolon_server.symbolication.memory.answer_columns import AnswerColumns
from symbolon_server.symbolication.memory.queries import EncodedStacks
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbolication.recalling.recall_many import read_many_frames, recall_many

MANY_BYTES: Final = 6_000
"""Of encoded stacks: from some 500 frames on, it is faster to recall all frames at once."""

_LONGEST_FRAME_BYTES: Final = 19
"""Of a frame as clients write it. Longer frames are not read as columns, to save memory."""

DecodeStacks = Callable[[Iterable[bytes]], list[list[bytes]]]
"""Splits encoded `symbolon.v1.Stack`s into their encoded frames."""


class RequestFrames:
    """The frames of encoded stacks, themselves encoded.

    Large requests are read as columns. They are split into frames only if that is needed: if not
    every frame is remembered.
    """

    def __init__(
        self, stacks: Sequence[bytes], decode_stacks: DecodeStacks, max_frames: int
    ) -> None:
        """Read encoded stacks; what `decode_stacks` raises passes through."""
        self._encoded = stacks
        self._decode_stacks = decode_stacks
        self._stacks: list[list[bytes]] | None = None
        self._many = None
        if MANY_BYTES <= sum(map(len, stacks)) <= max_frames * _LONGEST_FRAME_BYTES:
            self._many = read_many_frames(stacks)
        self._count = sum(map(len, self.stacks)) if self._many is None else len(self._many)

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._count

    @property
    def stacks(self) -> list[list[bytes]]:
        """The frames of each stack."""
        if self._stacks is None:
            self._stacks = self._decode_stacks(self._encoded)
        return self._stacks

    def recall_all_at_once(self, recall: Recall, columns: AnswerColumns) -> EncodedStacks | None:
        """Return the answers to a large request if all its frames are remembered.

        Returns None for all other requests: recall their `stacks`.
        """
        many, self._many = self._many, None  # a waiting call does not keep the columns
        return None if many is None else recall_many(recall, columns, many)
