"""When and how long to wait before a supplier is asked again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 3600.0
"""A server may ask for any time; callers are not told to stay away for longer than this."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often one fetch asks a server that did not answer properly."""

    attempts: int = 3
    """In all, the first one included."""

    first_pause_seconds: float = 0.5
    """Before the second attempt; doubles for each further one."""

    max_pause_seconds: float = 10.0
    """The longest pause; a server that asks for more is left to a later fetch."""

    def pause_seconds(
        self, attempt: int, retry_after_seconds: float | None, random: Callable[[], float]
    ) -> float | None:
        """Return how long to wait after `attempt` (1 is the first), None to give up.

        Between half and all of the doubled pause, so that many workers do not come back at
        the same time, but never less than the server asks for.
        """
        if attempt >= self.attempts:
            return None
        pause = min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.max_pause_seconds)
        pause *= 0.5 + random() / 2
        if retry_after_seconds is None:
            return pause
        if retry_after_seconds > self.max_pause_seconds:
            return None
        return max(pause, retry_after_seconds)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, None if it says nothing clear.

    A date counts from the response's own `Date`, so that our clock may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        # Ten digits are three centuries; int() refuses numbers of thousands of digits.
        return min(float(text[:10]), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
