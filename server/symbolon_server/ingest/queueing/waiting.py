"""Which callers of this process wait for which modules."""

import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.tracing.spans import child

Snapshot = Mapping[ModuleId, frozenset["PendingModules"]]
"""The waits for each module at one moment."""

LEAST_LOOKED_AT: Final = 2_000
"""So many modules are looked at in each look at the queue, and where more are waited for:"""

LOOKS_FOR_ALL: Final = 6
"""Each in one of so many looks, one a second: well before the queue thinks that nobody waits."""


class PendingModules:
    """Modules that one caller waits for.

    When a module has ended, look again in the store and among the remembered failures. The ingest
    may have ended without what this caller needs, for example if its module offsets came too late
    for a full store: then request the module again.
    """

    def __init__(self, module_ids: Iterable[ModuleId], caller: str, lock: threading.Lock) -> None:
        """Wait on behalf of `caller`; the `Waiters` that own the lock update this."""
        self.module_ids = frozenset(module_ids)
        self.caller = caller
        self.refused: frozenset[ModuleId] = frozenset()
        """Modules that the queue had no room for, for which this does not wait. Set before use."""

        self._pending = set(self.module_ids)
        self._ended: set[ModuleId] = set()
        self._changed = threading.Condition(lock)
        self._is_released = False

    @property
    def ended(self) -> frozenset[ModuleId]:
        """The modules whose ingest has ended since they were requested."""
        with self._changed:
            return frozenset(self._ended)

    def wait(self, timeout_seconds: float) -> None:
        """Return when all modules have ended, or after `timeout_seconds`.

        Return at once if waits were ended by `cancel` or by the server's stop.
        """
        with child("wait for ingests") as span, self._changed:
            self._changed.wait_for(
                lambda: not self._pending or self._is_released, max(0.0, timeout_seconds)
            )
            if span is not None:
                span.attributes["symbolon.modules"] = len(self.module_ids)
                span.attributes["symbolon.pending_modules"] = len(self._pending)

    def cancel(self) -> None:
        """End the wait, from any thread, because its result is not needed any more."""
        with self._changed:
            self.release()

    def end(self, module_id: ModuleId) -> None:
        """Note that a module has ended; only for `Waiters`, which holds the lock."""
        if module_id in self._pending:
            self._pending.remove(module_id)
            self._ended.add(module_id)
            self._changed.notify_all()

    def refuse(self, module_ids: frozenset[ModuleId]) -> None:
        """Stop waiting for these; only for `Waiters`, which holds the lock."""
        self.refused = module_ids
        self._pending -= module_ids

    def release(self) -> None:
        """End the wait, whatever has ended; only for `Waiters`, which holds the lock."""
        self._is_released = True
        self._changed.notify_all()


class Waiters:
    """All callers of this process that wait for modules.

    This owns that state, under one lock, which is held only briefly and never during I/O.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_module: defaultdict[ModuleId, set[PendingModules]] = defaultdict(set)
        """Those looked at the longest ago come first."""
        self._queued: set[PendingModules] = set()
        self._is_closed = False

    def add(self, module_ids: Iterable[ModuleId], caller: str) -> PendingModules:
        """Return a new wait of `caller`, which is updated from now on."""
        pending = PendingModules(module_ids, caller, self._lock)
        with self._lock:
            for module_id in pending.module_ids:
                self._by_module[module_id].add(pending)
            if self._is_closed:
                pending.release()
        return pending

    def close(self) -> None:
        """End all waits, now and in the future, because the server stops."""
        with self._lock:
            self._is_closed = True
            for waiting in self._by_module.values():
                for pending in waiting:
                    pending.release()

    def confirm(self, pending: PendingModules, refused: frozenset[ModuleId]) -> None:
        """Note that all modules of this wait but the `refused` ones were queued.

        Before that, a module without a job has not begun rather than ended.
        """
        with self._lock:
            self._queued.add(pending)
            pending.refuse(refused)
            self._forget(pending, refused)

    def remove(self, pending: PendingModules) -> None:
        """Remove a wait, whether its modules have ended or not."""
        with self._lock:
            self._queued.discard(pending)
            self._forget(pending, pending.module_ids)

    def end(self, module_id: ModuleId) -> None:
        """Wake all callers that wait for a module."""
        with self._lock:
            for pending in self._by_module.get(module_id, ()):
                pending.end(module_id)

    def next_to_look_at(self) -> Snapshot:
        """Return the current waits for a bounded share of the modules that were queued.

        Those that were looked at the longest ago come first.
        """
        with self._lock:
            most = max(LEAST_LOOKED_AT, math.ceil(len(self._by_module) / LOOKS_FOR_ALL))
            queued = (
                (module_id, frozenset(waiting & self._queued))
                for module_id, waiting in self._by_module.items()
                if not self._queued.isdisjoint(waiting)
            )
            return dict(islice(queued, most))

    def look_later(self, module_ids: Iterable[ModuleId]) -> None:
        """Note that these were looked at just now."""
        with self._lock:
            for module_id in module_ids:
                if waiting := self._by_module.pop(module_id, None):
                    self._by_module[module_id] = waiting

    def end_for(self, snapshot: Snapshot, ended: Iterable[ModuleId]) -> None:
        """Wake the waits of an earlier moment for modules that were found to have ended since.

        A later wait may be for a later ingest of the same module.
        """
        with self._lock:
            for module_id in ended:
                for pending in snapshot[module_id]:
                    pending.end(module_id)

    def _forget(self, pending: PendingModules, module_ids: Iterable[ModuleId]) -> None:
        for module_id in module_ids:
            waiting = self._by_module[module_id]
            waiting.discard(pending)
            if not waiting:
                del self._by_module[module_id]
