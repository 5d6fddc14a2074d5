"""Keeps in the cache which suppliers are left alone, for all workers together."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from redis.client import Pipeline

from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.redis_servers.keys import failures_key, pause_key, try_key
from symbolon_server.suppliers.chain import Pause
from symbolon_server.telemetry.backoff import Backoff
from symbolon_server.telemetry.logs import EventLog

_FAILURES_KEPT_SECONDS = 600.0
"""How long after its last failure a supplier counts as failing again rather than anew."""

_TOKEN_BYTES = 16

_END_TRY = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
"""Removes a key only while it holds the worker's own token."""

_TRYING_DETAIL = "it failed, and another worker tries it now"

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class PauseLengths:
    """When a pause begins and how long it lasts."""

    failures: int = 3
    """In a row, of all workers together; fewer may be about single files."""

    first_seconds: float = 5.0
    """Doubled with each failed try after it."""

    longest_seconds: float = 60.0
    """Also where the supplier asks for more: one try a minute harms nobody."""

    try_seconds: float = 600.0
    """No try takes longer; the try of a worker that died in it counts for so long."""

    def seconds(self, failures: int, retry_after_seconds: float | None) -> float | None:
        """Return the pause after so many failures in a row, None for none."""
        if failures < self.failures and not retry_after_seconds:
            return None
        backoff = Backoff(self.first_seconds, self.longest_seconds)
        return backoff.after(failures - self.failures + 1, retry_after_seconds)


class SharedPauses:
    """The pauses of suppliers: after some failures in a row one worker at a time tries.

    Three keys for each supplier: its failures, its pause and its try. The last two end by their
    lifetime, so that no clock but that of Redis counts. A worker that finds a pause over begins
    a try before it asks; the others wait until that has ended, however long it takes. While the
    cache is down everybody asks.
    """

    def __init__(self, cache: KeyedCache, lengths: PauseLengths | None = None) -> None:
        """Make the pauses as one worker sees them, which asks one supplier at a time."""
        self._cache = cache
        self._lengths = lengths or PauseLengths()
        # The same in all forks of a worker: a try that one of them died in is known as its own.
        self._token = secrets.token_bytes(_TOKEN_BYTES)

    def find(self, supplier: str) -> Pause | None:
        """Return the pause that holds now; None lets the caller ask and tell what came of it."""
        try:
            return self._find(supplier)
        except CacheUnavailableError:
            return None

    def end(self, supplier: str) -> None:
        """Note that the supplier answered properly, be it with a no."""
        try:
            self._cache.delete(failures_key(supplier), pause_key(supplier))
            self._end_try(supplier)
        except CacheUnavailableError:
            return  # pause and try end by themselves

    def note_failure(
        self, supplier: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        """Note that the supplier failed, and when to try again where it told."""
        try:
            self._note_failure(supplier, detail, retry_after_seconds)
            self._end_try(supplier)  # after its pause has begun: no other worker slips in between
        except CacheUnavailableError:
            return  # whoever asks next notes it

    def end_tries(self, suppliers: Iterable[str]) -> None:
        """Let others try, because this worker stops; a fork may have been ended in its try."""
        try:
            for supplier in suppliers:
                self._end_try(supplier)
        except CacheUnavailableError:
            return  # they end by themselves

    def _find(self, supplier: str) -> Pause | None:
        pause, failures = self._cache.get_entries([pause_key(supplier), failures_key(supplier)])
        if pause is not None:
            return Pause(pause.remaining_seconds or 0.0, pause.value.decode())
        length = self._lengths.seconds(int(failures.value) if failures else 0, None)
        if length is None or self._begin_try(supplier):
            return None
        return Pause(length, _TRYING_DETAIL)

    def _begin_try(self, supplier: str) -> bool:
        """Keep the others away until the try ends; return False while another worker tries."""
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
        """Let others try; a try that is not this worker's goes on."""
        key = try_key(supplier)
        self._cache.run(lambda pipeline: pipeline.eval(_END_TRY, 1, key, self._token))

    def _note_failure(self, supplier: str, detail: str, retry_after_seconds: float | None) -> None:
        paused = self._cache.get(pause_key(supplier))
        if paused:  # others failed at the same time: that is one failure, not many
            return
        failures = self._cache.increment(failures_key(supplier), timeout=_FAILURES_KEPT_SECONDS)
        seconds = self._lengths.seconds(failures, retry_after_seconds)
        if seconds is None:
            return
        self._cache.set(pause_key(supplier), detail.encode(), timeout=seconds)
        _log.warning(
            "supplier_left_alone", supplier=supplier, detail=detail, seconds=round(seconds, 3)
        )
