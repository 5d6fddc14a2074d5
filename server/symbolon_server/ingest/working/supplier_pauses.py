"""Pauses of failing suppliers, which all workers share through the cache."""

import secrets
from collections.abc import Iterable
from typing import NamedTuple

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.redis_servers.keys import failures_key, pause_key, try_key
from symbolon_server.suppliers.chain import Pause, Pauses
from symbolon_server.telemetry.backoff import Backoff
from symbolon_server.telemetry.logs import EventLog

_FAILURES_KEPT_SECONDS = 600.0
"""How long the failures of a supplier are counted as consecutive."""

_TOKEN_BYTES = 16

_END_TRY = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
"""Removes a key only if it has the worker's own token."""

_TRYING_DETAIL = "it failed, and another worker tries it now"

_log = EventLog(__name__)


class PauseLengths(NamedTuple):
    """When a pause begins and how long it lasts."""

    failures: int = 3
    """Consecutive failures of all workers before a pause; fewer may concern single files."""

    first_seconds: float = 5.0
    """Doubled after each failed try."""

    longest_seconds: float = 60.0
    """Limit of all pauses, also those a supplier asks for: one try a minute does no harm."""

    try_seconds: float = 600.0
    """The longest try; the try of a worker that died blocks others for this long."""

    def seconds(self, failures: int, retry_after_seconds: float | None) -> float | None:
        """Return the pause after so many consecutive failures, or None."""
        if failures < self.failures and not retry_after_seconds:
            return None
        backoff = Backoff(self.first_seconds, self.longest_seconds)
        return backoff.after(failures - self.failures + 1, retry_after_seconds)


class SharedPauses(Pauses):
    """Pauses requests to a supplier after consecutive failures; then one worker at a time tries it.

    There are three keys per supplier: its failures, its pause and its try. The last two expire, so
    only the clock of Redis matters. A worker that finds a pause over starts a try before it sends a
    request; other workers wait until the try has ended, however long that takes. While the cache is
    down there are no pauses.
    """

    def __init__(self, cache: KeyedCache, lengths: PauseLengths | None = None) -> None:
        """Use the `cache`, on behalf of one worker."""
        self._cache = cache
        self._lengths = lengths or PauseLengths()
        # The same in all forks of a worker, so that it recognises the try of a fork that died.
        self._token = secrets.token_bytes(_TOKEN_BYTES)

    def find(self, supplier: str) -> Pause | None:
        """Return the current pause; if None, the caller may send a request and notes its result."""
        try:
            return self._find(supplier)
        except CacheUnavailableError:
            return None

    def end(self, supplier: str) -> None:
        """Note that the supplier answered properly, which includes not having a file."""
        try:
            self._cache.delete(failures_key(supplier), pause_key(supplier))
            self._end_try(supplier)
        except CacheUnavailableError:
            return  # pause and try expire

    def note_failure(
        self, supplier: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        """Note that the supplier failed, and when to retry if it said so."""
        try:
            self._note_failure(supplier, detail, retry_after_seconds)
            self._end_try(
                supplier
            )  # after its pause has begun, so that no other worker tries in between
        except CacheUnavailableError:
            return  # the next failure is noted

    def end_tries(self, suppliers: Iterable[str]) -> None:
        """End tries of this worker, which stops; a fork may have been ended during its try."""
        try:
            for supplier in suppliers:
                self._end_try(supplier)
        except CacheUnavailableError:
            return  # they expire

    def _find(self, supplier: str) -> Pause | None:
        pause, failures = self._cache.get_entries([pause_key(supplier), failures_key(supplier)])
        if pause is not None:
            return Pause(pause.remaining_seconds or 0.0, pause.value.decode())
        length = self._lengths.seconds(int(failures.value) if failures else 0, None)
        if length is None or self._begin_try(supplier):
            return None
        return Pause(length, _TRYING_DETAIL)

    def _begin_try(self, supplier: str) -> bool:
        """Block other workers until the try ends; return False if another worker is trying."""
        key = try_key(supplier)
        milliseconds = round(self._lengths.try_seconds * 1000)

        def begin(pipeline: Pipeline) -> None:
            pipeline.set(key, self._token, px=milliseconds, nx=True)
            pipeline.get(key)

        begun, owner = self._cache.run(begin)
        if not begun and owner == self._token:  # a fork of this worker died in that try
            self._cache.set(try_key(supplier), self._token, timeout=self._lengths.try_seconds)
        return bool(begun) or owner == self._token

    def _end_try(self, supplier: str) -> None:
        """End the try, unless it is another worker's."""
        key = try_key(supplier)
        self._cache.run(lambda pipeline: pipeline.eval(_END_TRY, 1, key, self._token))

    def _note_failure(self, supplier: str, detail: str, retry_after_seconds: float | None) -> None:
        paused = self._cache.get(pause_key(supplier))
        if paused:  # simultaneous failures of several workers count as one
            return
        failures = self._cache.increment(failures_key(supplier), timeout=_FAILURES_KEPT_SECONDS)
        seconds = self._lengths.seconds(failures, retry_after_seconds)
        if seconds is None:
            return
        self._cache.set(pause_key(supplier), detail.encode(), timeout=seconds)
        _log.warning(
            "supplier_left_alone", supplier=supplier, detail=detail, seconds=round(seconds, 3)
        )
