"""Requests ingests of modules, and waits for them on behalf of all callers of a process."""

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.announcements import RECHECK_SECONDS, Announcements
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import MAX_QUEUED, NOBODY, IngestQueue
from symbolon_server.ingest.queueing.scripts import ENDED_CHANNEL
from symbolon_server.ingest.queueing.waiting import PendingModules, Snapshot, Waiters
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId
from symbolon_server.telemetry.lasting_threads import LastingThread, Vitals


class ModuleLoader:
    """Gets modules ingested, each once for all callers and servers.

    An announcement wakes the callers. In case one is lost, the queue is also checked every
    `recheck_seconds`, for all callers of this process, by a thread of its own, so that it delays no
    announcement.
    """

    def __init__(
        self,
        client: redis.Redis,
        circuit: Circuit | None = None,
        recheck_seconds: float = RECHECK_SECONDS,
        max_queued: int = MAX_QUEUED,
        vitals: Vitals | None = None,
    ) -> None:
        """Use the cache Redis of `client`; all its users share `circuit`.

        `vitals` are notified when announcements can no longer be received.
        """
        self._queue = IngestQueue(client, circuit, max_queued)
        self._waiters = Waiters()
        self._announcements = Announcements(client, recheck_seconds, vitals)
        self._doubted = threading.Event()
        self._announcements.listen(ENDED_CHANNEL, self._wake, self._doubted.set)
        self._looks = LastingThread("looks", self._look_when_in_doubt, vitals)

    def watch(self, channel: str, look: Callable[[], None]) -> None:
        """Call `look` for each announcement on `channel`, and about once a second.

        It runs in the thread that receives announcements. Call this before `start`.
        """
        self._announcements.listen(channel, lambda _: look(), look)

    def repeat(self, look: Callable[[], object]) -> None:
        """Call `look` about once a second in that thread; call this before `start`."""
        self._announcements.repeat(look)

    def start(self) -> None:
        """Start to listen, even while the cache is down; call this once, before `load`."""
        self._looks.start()
        self._announcements.start()

    def stop_waiting(self) -> None:
        """End all waits, now and in the future; queued modules are still ingested."""
        self._waiters.close()

    def close(self) -> None:
        """Stop listening; callers that still wait do so until their deadline."""
        self._announcements.close()
        self._looks.is_closing.set()
        self._doubted.set()
        self._looks.close()

    @contextmanager
    def load(
        self,
        wanted: Mapping[ModuleId, Collection[int]],
        caller: str = NOBODY,
        wait_seconds: float = math.inf,
        asked: Collection[AskedModule] = (),
    ) -> Iterator[PendingModules]:
        """Request ingests of these modules; the caller can wait for them in the `with` block.

        `wanted` has the requested module offsets, `asked` what is known about the modules besides
        their ids, `wait_seconds` how long `caller` is going to wait. Leaving the block ends the
        wait, not the ingest. Raises `CacheUnavailableError` if nothing could be queued.
        """
        band = Band.AWAITED if wait_seconds > 0 else Band.WANTED
        # Register first: an ingest may end before `enqueue` returns.
        pending = self._waiters.add(wanted, caller)
        try:
            enqueued = self._queue.enqueue(wanted, band, caller, wait_seconds, asked)
            self._waiters.confirm(pending, enqueued.refused)
            yield pending
        finally:
            self._waiters.remove(pending)

    def _wake(self, text: str) -> None:
        try:
            self._waiters.end(ModuleId.from_text(text))
        except InvalidModuleIdError:
            return  # not sent by a worker

    def _look_when_in_doubt(self) -> None:
        while self._doubted.wait() and not self._looks.is_closing.is_set():
            self._doubted.clear()
            self._look_again()
            self._looks.resort.note_progress()

    def _look_again(self) -> None:
        waiting = self._waiters.next_to_look_at()
        try:
            look = self._queue.look(waiting)
            self._waiters.look_later(waiting)
            self._waiters.end_for(waiting, look.ended)
            for caller, modules in _by_caller(waiting, look.behind).items():
                self._queue.enqueue(dict.fromkeys(modules, ()), Band.AWAITED, caller)
        except CacheUnavailableError:
            return  # nothing can have been announced either; the next look will find it


def _by_caller(waiting: Snapshot, modules: Iterable[ModuleId]) -> defaultdict[str, list[ModuleId]]:
    """Return the modules by caller, for each module one of the callers that wait for it."""
    found = defaultdict[str, list[ModuleId]](list)
    for module_id in modules:
        found[next(iter(waiting[module_id])).caller].append(module_id)
    return found
