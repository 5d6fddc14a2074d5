"""Finds suppliers that send, but so slowly that it comes to nothing."""

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """How fast one answer arrives, by the time spent waiting for it; used by one thread.

    Time that the reader takes between two pieces is not the supplier's.
    """

    window_seconds: float
    """Waiting after which the pace is looked at, and measured anew."""

    min_bytes_per_second: float
    _waited_seconds: float = 0.0
    _bytes: int = 0

    def is_too_slow(self, count: int, waited_seconds: float) -> bool:
        """Return whether the bytes of the window that ends with these `count` were too few."""
        self._bytes += count
        self._waited_seconds += waited_seconds
        if self._waited_seconds < self.window_seconds:
            return False
        is_too_slow = self._bytes < self.min_bytes_per_second * self._waited_seconds
        self._bytes, self._waited_seconds = 0, 0.0
        return is_too_slow
