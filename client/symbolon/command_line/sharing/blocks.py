"""Which lines of the input are a member's own."""

from collections import deque
from collections.abc import Iterable, Iterator

from symbolon._forms.inputs import Part

BLOCK_BYTES = 1 << 16
"""A block ends with the line that makes it this long. Answers are up to 30 times as long as
reports; for each block the turn is passed on once."""


class OwnBlocks:
    """Every n-th block of lines; all members count them in the same way."""

    def __init__(self, member: int = 0, members: int = 1, block_bytes: int = BLOCK_BYTES) -> None:
        self._member = member
        self._members = members
        self._block_bytes = block_bytes
        self._ends: deque[int] = deque()

    def choose(self, parts: Iterable[Part], first: int) -> Iterator[tuple[int, Part]]:
        """Yield the member's own parts with their numbers, which begin with `first`."""
        block = size = 0
        for number, part in enumerate(parts, first):
            size += len(part[1])
            is_end, is_own = size >= self._block_bytes, block % self._members == self._member
            if is_own and is_end:
                self._ends.append(number)
            if is_own:
                yield number, part
            if is_end:
                block, size = block + 1, 0

    def is_end(self, number: int) -> bool:
        """Return whether a block ends with this part; ask for each own part, in their order."""
        if self._ends and self._ends[0] == number:
            self._ends.popleft()
            return True
        return False
