"""A circuit breaker for a Redis server, so that an outage costs calls no time."""

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
"""How long the circuit stays open after a failure; then one caller tries the server."""


class Circuit:
    """Lets all callers through while a server answers, and one at a time after a failure.

    Each try after a failure waits for at most one timeout, so a server that hangs delays one
    caller per second, and recovery is noticed within `pause_seconds`.
    """

    def __init__(
        self,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        server: str = "",
    ) -> None:
        """Log once when `server`, if it has a name, is lost, and once when it is back.

        Each refused permission is also logged once.
        """
        self._server = server
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._refusals = set[str]()
        self._failed = False
        """Read without the lock, so that callers do not wait for it in normal operation."""
        self._next_try = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether the last request did not reach the server."""
        return self._failed

    def lets_through(self) -> bool:
        """Return whether to send a request now; if so, the caller must `record` its outcome."""
        if not self._failed:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._pause_seconds  # others wait for this try
            return True

    def record(self, error: RedisError | None) -> None:
        """Note the outcome of a request; only connection errors mean that the server is lost."""
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
