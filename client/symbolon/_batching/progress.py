"""The progress of a long run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symbolon._messages.answers import ReportResult


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of the reports that are done."""

    reports: int = 0
    """Number of reports with a result."""

    refused: int = 0
    """How many of them have an error instead of an answer."""

    frames: int = 0
    """Number of frames of the others."""


Tell = Callable[[Progress], None]
"""Called after each call with the counts so far."""


class Count:
    """Counts results and reports the counts."""

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._progress = Progress()

    def add(self, results: Sequence[ReportResult[Any]]) -> None:
        """Count the results, and report the new counts."""
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
