"""When and how long to wait before a retry."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from symbolon_server.telemetry.backoff import Backoff

MAX_RETRY_AFTER_SECONDS = 3600.0
"""A longer `Retry-After` is cut to this before callers see it."""

_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=10.0)


class RetryPolicy(NamedTuple):
    """How often one fetch repeats a request that failed."""

    attempts: int = 3
    """Including the first one."""

    backoff: Backoff = _BACKOFF
    """If the server asks for more than the longest pause, the fetch gives up."""

    def pause_seconds(
        self, attempt: int, retry_after_seconds: float | None, random: Callable[[], float]
    ) -> float | None:
        """Return how long to wait after `attempt` (1 is the first), or None to give up.

        Jitter makes it between half and all of the backoff, so that many workers do not retry at
        the same time, but never less than the server asks for.
        """
        if attempt >= self.attempts:
            return None
        pause = self.backoff.after(attempt) * (0.5 + random() / 2)
        if retry_after_seconds is None:
            return pause
        if retry_after_seconds > self.backoff.longest_seconds:
            return None
        return max(pause, retry_after_seconds)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After` header, or None if it is absent or invalid.

    A date is relative to the response's own `Date`, so that our clock may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        # Ten digits are three centuries; more are not worth parsing.
        return min(float(text[:10]), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
