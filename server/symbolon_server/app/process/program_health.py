"""Whether a program is live and ready, from the conditions of its parts.

Live: a restart would not help. Ready: its work may be sent to it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from symbolon_server.app.process.children import Child
from symbolon_server.telemetry.pulse import PATIENCE_SECONDS, Condition, read_beat

_WORDS: Final = {
    Condition.STARTING: "starting",
    Condition.WITHOUT_CACHE: "cannot reach the cache",
    Condition.STOPPING: "stopping",
    Condition.FAILING: "a thread keeps failing",
    Condition.SILENT: "does not respond",
}
_NEEDS_RESTART: Final = frozenset({Condition.FAILING, Condition.SILENT})
_IS_NO_FAULT: Final = frozenset({Condition.READY, Condition.STARTING})


class _Part(NamedTuple):
    name: str
    find_condition: Callable[[], Condition]
    takes_work: bool


class ProgramHealth:
    """The health of a program, for probes; a program that stops is live and not ready.

    Parts are added, and `begin_to_stop` is called, by the main thread; any thread may ask.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder: Path | None = None
        """Where child programs keep their beats."""

        self._clock = clock
        self._parts: tuple[_Part, ...] = ()
        self._is_stopping = False

    def add(self, name: str, find_condition: Callable[[], Condition]) -> None:
        """Add a part of this process that takes work."""
        self._parts += (_Part(name, find_condition, takes_work=True),)

    def add_child(self, child: Child, *, takes_work: bool) -> None:
        """Add a child program; readiness depends on those that take the work of this program."""
        self._parts += (_Part(child.name, lambda: self._condition_of(child), takes_work),)

    def begin_to_stop(self) -> None:
        """Be not ready from now on."""
        self._is_stopping = True

    def why_not_live(self) -> str:
        """Return which part needs a restart and why, or nothing."""
        for part in self._parts:
            condition = part.find_condition()
            if condition in _NEEDS_RESTART:
                return f"{part.name}: {_WORDS[condition]}"
        return ""

    def why_not_ready(self) -> str:
        """Return why no work should be sent, or nothing.

        A part that is starting, or starts again after it ended, is no reason while another is
        ready: nothing is sent to it meanwhile.
        """
        if self._is_stopping:
            return _WORDS[Condition.STOPPING]
        found = [(part.name, part.find_condition()) for part in self._parts if part.takes_work]
        for name, condition in found:
            if condition not in _IS_NO_FAULT:
                return f"{name}: {_WORDS[condition]}"
        is_ready = any(condition is Condition.READY for _, condition in found)
        return "" if is_ready else _WORDS[Condition.STARTING]

    def _condition_of(self, child: Child) -> Condition:
        beat = None if self.folder is None else read_beat(self.folder, child.process_id)
        if not child.is_running():
            return Condition.STARTING
        now = self._clock()
        if beat is None:
            is_late = now > child.started_at + PATIENCE_SECONDS
            return Condition.SILENT if is_late else Condition.STARTING
        return beat.condition if now <= beat.counts_until else Condition.SILENT
