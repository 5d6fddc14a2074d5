"""How far a long run is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symbolon._messages.answers import ReportResult


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become of the reports that are done."""

    reports: int = 0
    """Number of reports with a result."""

    refused: int = 0
    """How many of them have an error for an answer."""

    frames: int = 0
    """Number of frames of the others."""


Tell = Callable[[Progress], None]
"""Is told now and then how far it is."""


class Count:
    """Counts results and tells of it."""

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._progress = Progress()

    def add(self, results: Sequence[ReportResult[Any]]) -> None:
        """Count what is done, and tell."""
        if self._tell is None:
            return
        answers = [result.encoded for result in results if result.encoded is not None]
        done = self._progress
        self._progress = replace(
            done,
            reports=done.reports + len(results),
            refused=done.refused + len(results) - len(answers),
            frames=done.frames + sum(len(stack) for answer in answers for stack in answer.stacks),
        )
        self._tell(self._progress)
