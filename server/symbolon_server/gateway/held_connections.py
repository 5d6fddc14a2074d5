"""Closes HTTP connections that hold a place without using it.

uvicorn limits only the time between two requests, not the time before the first request, for an
incomplete header, or for an answer that is not read.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

SILENT_SECONDS: Final = 10.0
"""For the headers of a request to arrive."""

SILENT_SECONDS_WHEN_FULL: Final = 1.0

UNREAD_SECONDS: Final = 30.0
"""For a whole answer to leave: as long as a whole body may take to arrive."""


class _Cycle(Protocol):
    response_complete: bool


class Connection(Protocol):
    """The part of uvicorn's connection class that is used here."""

    transport: asyncio.Transport

    @property
    def cycle(self) -> _Cycle | None:
        """The latest request and its response, or None before the first."""


class _Step(Enum):
    SILENT = auto()
    BUSY = auto()
    UNREAD = auto()


class _Seen(NamedTuple):
    cycle: _Cycle | None
    step: _Step
    since: float


class HeldConnections:
    """Tracks how long each connection has been in the same step of the same request."""

    def __init__(self, max_connections: int, clock: Callable[[], float] = time.monotonic) -> None:
        """With `max_connections` the server is full, and closes silent connections sooner."""
        self._max_connections = max_connections
        self._clock = clock
        self._seen: dict[Connection, _Seen] = {}

    def check(self, connections: Collection[Connection]) -> None:
        """Close the connections that have taken too long; call this every second."""
        is_full = len(connections) >= self._max_connections
        silent_seconds = SILENT_SECONDS_WHEN_FULL if is_full else SILENT_SECONDS
        now = self._clock()
        self._seen = {connection: self._see(connection, now) for connection in connections}
        for connection, seen in self._seen.items():
            if seen.step is _Step.SILENT and now - seen.since >= silent_seconds:
                connection.transport.close()
            elif seen.step is _Step.UNREAD and now - seen.since >= UNREAD_SECONDS:
                connection.transport.abort()

    def _see(self, connection: Connection, now: float) -> _Seen:
        cycle, step = connection.cycle, _step_of(connection)
        before = self._seen.get(connection)
        if before is not None and before.cycle is cycle and before.step is step:
            return before
        return _Seen(cycle, step, now)


def _step_of(connection: Connection) -> _Step:
    if connection.transport.get_write_buffer_size():
        return _Step.UNREAD
    cycle = connection.cycle
    return _Step.SILENT if cycle is None or cycle.response_complete else _Step.BUSY
