"""Exponential backoff."""

from dataclasses import dataclass

_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double with each failure in a row, up to the longest."""

    first_seconds: float
    """After the first failure."""

    longest_seconds: float

    def after(self, failures: int, at_least: float | None = None) -> float:
        """Return the pause after so many failures in a row; `at_least` is bounded, too."""
        doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
        grown = self.first_seconds * 2.0**doublings
        return min(max(grown, at_least or 0.0), self.longest_seconds)
