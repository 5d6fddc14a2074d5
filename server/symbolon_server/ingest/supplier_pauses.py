"""Keeps in the cache which suppliers are left alone, for all workers together."""

from dataclasses import dataclass

from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.cache.keys import failures_key, pause_key
from symbolon_server.suppliers.pauses import Pause
from symbolon_server.telemetry.logs import EventLog

_FAILURES_KEPT_SECONDS = 600.0
"""How long after its last failure a supplier counts as failing again rather than anew."""

_TRYING = b""
"""In the place of a detail: this pause only keeps the others from a supplier being tried."""

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

    def seconds(self, failures: int, retry_after_seconds: float | None) -> float | None:
        """Return the pause after so many failures in a row, None for none."""
        if failures < self.failures and not retry_after_seconds:
            return None
        doublings = min(max(failures - self.failures, 0), 32)
        grown = self.first_seconds * 2.0**doublings
        return min(max(grown, retry_after_seconds or 0.0), self.longest_seconds)


class SharedPauses:
    """The pauses of suppliers: after some failures in a row one worker at a time tries.

    Two keys for each supplier, one of which lives as long as its pause, so that no clock but
    that of Redis counts. Who finds a pause over begins another one before it asks: the others
    wait for this try. While the cache is down everybody asks.
    """

    def __init__(self, cache: KeyedCache, lengths: PauseLengths | None = None) -> None:
        self._cache = cache
        self._lengths = lengths or PauseLengths()

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
        except CacheUnavailableError:
            return  # the pause ends by itself

    def note_failure(
        self, supplier: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        """Note that the supplier failed, and when to try again where it told."""
        try:
            self._note_failure(supplier, detail, retry_after_seconds)
        except CacheUnavailableError:
            return  # whoever asks next notes it

    def _find(self, supplier: str) -> Pause | None:
        pause, failures = self._cache.get_entries([pause_key(supplier), failures_key(supplier)])
        if pause is not None:
            detail = pause.value.decode() or _TRYING_DETAIL
            return Pause(pause.remaining_seconds or 0.0, detail)
        length = self._lengths.seconds(int(failures.value) if failures else 0, None)
        if length is None or self._begin_try(supplier, length):
            return None
        return Pause(length, _TRYING_DETAIL)

    def _begin_try(self, supplier: str, seconds: float) -> bool:
        """Keep the others away for so long; return False when another worker was faster."""
        key = self._cache.key(pause_key(supplier))
        milliseconds = round(seconds * 1000)
        answers = self._cache.run(
            lambda pipeline: pipeline.set(key, _TRYING, px=milliseconds, nx=True)
        )
        return bool(answers[0])

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
