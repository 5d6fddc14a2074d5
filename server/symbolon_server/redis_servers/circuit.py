"""Leaves a Redis server alone for a moment after it failed, so that it costs calls no time."""

import threading
import time
from collections.abc import Callable

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from symbolon_server.redis_servers.redis_trouble import describe_refusal
from symbolon_server.telemetry.logs import EventLog

_log = EventLog(__name__)

PAUSE_SECONDS = 1.0
"""How long a server that failed is left alone; then one caller tries it."""


class Circuit:
    """Says who may ask a server: everybody while it answers, after a failure one at a time.

    Each try after a failure waits for at most one timeout, so a server that hangs holds one
    caller a second, and one that comes back is noticed within `pause_seconds`.
    """

    def __init__(
        self,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        server: str = "",
    ) -> None:
        """Log when `server`, where it has a name, is lost and when it is back, once each.

        What it does not allow its user is logged once, too.
        """
        self._server = server
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._refusals = set[str]()
        self._failed = False
        """Read without the lock: in good days nobody waits for it."""
        self._next_try = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether the server was gone when it was last asked."""
        return self._failed

    def lets_through(self) -> bool:
        """Return whether to ask now; one who is let through tells `record` what came of it."""
        if not self._failed:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._pause_seconds  # the others wait for this try
            return True

    def record(self, error: RedisError | None) -> None:
        """Note how it went; only errors of the connection say that the server is not there."""
        if error is not None and self._server:
            self._log_refusal(error)
        is_gone = isinstance(error, RedisConnectionError | RedisTimeoutError)
        if not is_gone and not self._failed:
            return
        with self._lock:
            is_news = self._failed != is_gone
            self._failed = is_gone
            self._next_try = self._clock() + (self._pause_seconds if is_gone else 0.0)
        if is_news and self._server and is_gone:
            _log.warning("redis_lost", server=self._server, error=type(error).__name__)
        elif is_news and self._server:
            _log.info("redis_back", server=self._server)

    def _log_refusal(self, error: RedisError) -> None:
        refusal = describe_refusal(error)
        if refusal is not None and refusal not in self._refusals:
            self._refusals.add(refusal)
            _log.error("redis_refused", server=self._server, detail=refusal)
