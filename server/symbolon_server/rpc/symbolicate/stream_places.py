"""How many streams there may be, and how many of them one caller may hold."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from symbolon_server.rpc.symbolicate.stream_flow import StreamFlow

_SHARE = 2
"""One caller holds at most one of so many places."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlace:
    """The place of one stream that is open."""

    flow: StreamFlow
    caller: str
    let_go: Callable[[], object]
    """Ends the stream, whatever its caller does."""


class StreamPlaces:
    """The places of all streams of a process; one lock guards them."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._of_one = max(1, places // _SHARE)
        self._lock = threading.Lock()
        self._open: set[StreamPlace] = set()

    def enter(self, place: StreamPlace) -> str:
        """Take a place; return why there is none, or nothing.

        Where all are taken, streams whose callers have not read for long are let go; where only
        this caller has no more, its own.
        """
        with self._lock:
            of_caller = sum(other.caller == place.caller for other in self._open)
            is_full = len(self._open) >= self._places
            if not is_full and of_caller < self._of_one:
                self._open.add(place)
                return ""
            in_the_way = [other for other in self._open if is_full or other.caller == place.caller]
        stuck = [other for other in in_the_way if other.flow.is_stuck()]
        for other in stuck:
            other.let_go()
        if is_full:
            return f"it holds {self._places} streams"
        return f"one caller may hold {self._of_one} of its {self._places} streams"

    def leave(self, place: StreamPlace) -> None:
        """Give the place back."""
        with self._lock:
            self._open.discard(place)

    def flows(self) -> list[StreamFlow]:
        """Return the streams that are open."""
        with self._lock:
            return [place.flow for place in self._open]
