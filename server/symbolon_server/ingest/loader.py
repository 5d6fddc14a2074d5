"""Asks for modules to be ingested, and waits for that together with all other callers."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import redis

from symbolon_server.cache.circuit import Circuit
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.announcements import RECHECK_SECONDS, Announcements
from symbolon_server.ingest.jobs import Priority
from symbolon_server.ingest.queue import MAX_QUEUED, IngestQueue
from symbolon_server.ingest.scripts import ENDED_CHANNEL
from symbolon_server.ingest.waiting import PendingModules, Waiters
from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import InvalidModuleIdError, ModuleId


class ModuleLoader:
    """Gets modules ingested, each once however many callers and servers ask.

    Callers are woken by an announcement. One that is lost, with its connection or because
    nobody listened yet, is made up for by asking the queue every `recheck_seconds`, in one
    round trip for all callers of this process.
    """

    def __init__(
        self,
        client: redis.Redis,
        circuit: Circuit | None = None,
        recheck_seconds: float = RECHECK_SECONDS,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        """Use the cache Redis of `client`; `circuit` is shared by all who use it."""
        self._queue = IngestQueue(client, circuit, max_queued)
        self._waiters = Waiters()
        self._announcements = Announcements(client, recheck_seconds)
        self._announcements.listen(ENDED_CHANNEL, self._wake, self._look_again)

    def watch(self, channel: str, look: Callable[[], None]) -> None:
        """Have `look` called when something is announced on `channel`, and about once a second.

        It runs in the thread that hears announcements. To be called before `start`.
        """
        self._announcements.listen(channel, lambda _: look(), look)

    def start(self) -> None:
        """Begin to listen, also while the cache is down; once, before the first `load`."""
        self._announcements.start()

    def stop_waiting(self) -> None:
        """Let go who waits, now and from now on; what was queued is ingested all the same."""
        self._waiters.close()

    def close(self) -> None:
        """Stop listening; who still waits does so until its own time is over."""
        self._announcements.close()

    @contextmanager
    def load(
        self,
        wanted: Mapping[ModuleId, Collection[int]],
        priority: Priority = Priority.INTERACTIVE,
        asked: Collection[AskedModule] = (),
    ) -> Iterator[PendingModules]:
        """Have these modules ingested and return what to wait on within the `with` block.

        `wanted` gives the module offsets that are asked for, and `asked` what is known of the
        modules beside their ids. Leaving the block ends the
        waiting, not the work. Raises `CacheUnavailableError` when nothing could be queued, and
        `QueueFullError` when some were not.
        """
        # To be told comes first: an ingest may end before its enqueueing has returned.
        pending = self._waiters.add(wanted)
        try:
            self._queue.enqueue(wanted, priority, asked)
            self._waiters.confirm(pending)
            yield pending
        finally:
            self._waiters.remove(pending)

    def _wake(self, text: str) -> None:
        try:
            self._waiters.end(ModuleId.from_text(text))
        except InvalidModuleIdError:
            return  # not from one of us

    def _look_again(self) -> None:
        waiting = self._waiters.confirmed()
        try:
            self._waiters.end_for(waiting, self._queue.find_ended(waiting))
        except CacheUnavailableError:
            return  # nothing can have been announced either; the next look will tell
