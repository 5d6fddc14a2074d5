"""Collects the missing modules that calls ask for, and tells the cache now and then."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.missing_modules import MissingModules
from symbolon_server.symbols.ground.asked_modules import AskedModule

TELL_SECONDS: Final = 1.0
"""How often the cache is told at most."""

MOST_MODULES: Final = 2_000
"""How many modules are told at once: some 50 ms of the call that tells them. What is beyond is
counted when it is asked for again."""


class MissingTally:
    """Counts requests for missing modules until the cache is told; any thread may note some.

    Counts that a cache which is down cannot take are lost, so that no call fails for them and
    nothing piles up.
    """

    def __init__(
        self,
        missing: MissingModules,
        tell_seconds: float = TELL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Tell `missing` about once in `tell_seconds`, while there is something to tell."""
        self._missing = missing
        self._tell_seconds = tell_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[AskedModule] = Counter()
        self._next_tell = clock()

    def note(self, modules: Collection[AskedModule]) -> None:
        """Count one request for each of these; one call in `tell_seconds` tells the cache."""
        with self._lock:
            for asked in modules:
                if asked in self._requests or len(self._requests) < MOST_MODULES:
                    self._requests[asked] += 1
            if self._clock() < self._next_tell:
                return
            self._next_tell = self._clock() + self._tell_seconds
        self.flush()

    def flush(self) -> None:
        """Tell the cache what was not told yet."""
        with self._lock:
            requests, self._requests = self._requests, Counter()
        with suppress(CacheUnavailableError):
            self._missing.record(requests)
