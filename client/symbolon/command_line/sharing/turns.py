"""The ring of pipes through which the turn to write goes from member to member."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, Self

from symbolon.command_line.showing.line_writer import TurnLostError

_TURN = b"."


class RingPlace(NamedTuple):
    """The descriptors of one member's place in the ring."""

    previous: int
    """Where its turn comes from."""

    following: int
    """Where its turn goes to."""


class Ring:
    """The pipes between all members; closed when it is left."""

    def __init__(self, members: int) -> None:
        pipes = [os.pipe() for _ in range(members)]
        self.places = [RingPlace(pipes[n - 1][0], pipes[n][1]) for n in range(members)]
        self._open = {descriptor for pipe in pipes for descriptor in pipe}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, but: Iterable[int] = ()) -> None:
        """Close all descriptors but these, which others use."""
        for descriptor in self._open.difference(but):
            os.close(descriptor)
        self._open.intersection_update(but)


class RingTurns:
    """The turns of one member; the first member has the first turn."""

    def __init__(
        self, place: RingPlace, *, is_first: bool, lose: Callable[[], None] = lambda: None
    ) -> None:
        """`lose` is called when the turn is lost, in the thread that waited for it."""
        self._place = place
        self._is_here = is_first
        self._lose = lose

    def take(self) -> None:
        """Wait for the turn; raise `TurnLostError` if the previous member has ended."""
        if not self._is_here and not os.read(self._place.previous, 1):
            self._lose()
            raise TurnLostError
        self._is_here = True

    def pass_on(self) -> None:
        """Pass the turn on; the next member has ended if it has no more blocks."""
        self._is_here = False
        with suppress(BrokenPipeError):
            os.write(self._place.following, _TURN)
