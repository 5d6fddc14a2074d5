"""Until when a request is to be answered."""

import time
from dataclasses import dataclass
from typing import Self

from symbolon import DeadlineError


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by the monotonic clock; what works for a request asks for it at each step."""

    at: float
    seconds: float
    """How long it was away when it was set."""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the deadline that is so far away."""
        return cls(time.monotonic() + seconds, seconds)

    def left(self) -> float:
        """Return how many seconds are left; raise `DeadlineError` when none are."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> DeadlineError:
        """Return what a caller is told whose answer is not ready by now."""
        return DeadlineError(f"the answer took longer than {self.seconds:g} s")
