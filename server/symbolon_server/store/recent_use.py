"""Tells the store what this server uses out of its own memory."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey

TOUCH_SECONDS = 30.0
"""How often the store is told."""

MOST_KEYS = 20_000
"""How many keys are told at once; what is beyond waits for its next use."""


class Touchable(Protocol):
    """A store that evicts by last use."""

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Count these as used now."""


class RecentUse:
    """Collects the keys of pages served from memory, and touches them in the store at times.

    Without it the hottest pages would be the first to be evicted: nobody asks the store for
    what is in every server's memory.
    """

    def __init__(
        self,
        store: Touchable,
        touch_seconds: float = TOUCH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._touch_seconds = touch_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._module_ids: set[ModuleId] = set()
        self._keys: set[PageKey] = set()
        self._next_touch = clock() + touch_seconds

    def note(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Note that these were used; one call in `touch_seconds` tells the store as well."""
        with self._lock:
            if len(self._keys) < MOST_KEYS:
                self._keys.update(keys)
                self._module_ids.update(module_ids)
            if self._clock() < self._next_touch:
                return
            self._next_touch = self._clock() + self._touch_seconds
            used_modules, self._module_ids = self._module_ids, set()
            used_keys, self._keys = self._keys, set()
        self._store.touch(used_modules, used_keys)
