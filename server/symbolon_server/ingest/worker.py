"""Takes jobs from the queue one after the other, for as long as it is wanted."""

import gc
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from types import FrameType

import redis

from symbolon_server.cache.following import look_again, refuse_replica
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.cache.redis_trouble import describe_trouble
from symbolon_server.ingest.claims import ClaimDesk
from symbolon_server.ingest.earlier_queue import expire_earlier_queue
from symbolon_server.ingest.ingest import Ingest
from symbolon_server.ingest.job_runner import RETRY_SECONDS, JobRunner, WorkerOptions
from symbolon_server.ingest.jobs import Claim
from symbolon_server.ingest.warming import warm_up
from symbolon_server.telemetry.ignored_signals import HARMLESS, log_ignored
from symbolon_server.telemetry.logs import EventLog

WAIT_SECONDS = 3.0
"""How long to wait for a new job before looking for those whose workers are gone."""

_SAME_REQUEST_SECONDS = 1.0
"""Ctrl+C reaches a worker from the terminal and once more from the server that started it."""

_log = EventLog(__name__)


def run_worker(
    client: redis.Redis,
    ingest: Ingest,
    memory: ModuleMemory,
    options: WorkerOptions | None = None,
) -> None:
    """Work until SIGTERM or SIGINT, from the main thread of a process without other threads.

    `client` is a client of the cache for nobody but this worker, which waits for jobs on it.
    `ingest` runs in forks, so it must not have opened a connection before.
    """
    warm_up()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page that it looks at
    options = options or WorkerOptions()
    desk = ClaimDesk(client, options.lease_seconds, worker=f"{socket.gethostname()}:{os.getpid()}")
    runner = JobRunner(desk, ingest, memory, options)
    worker = Worker(client, desk, runner, options.stop_seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.request_stop)
    for number in HARMLESS:
        signal.signal(number, worker.ignore_signal)
    worker.work()


class _StopWaitingError(Exception):
    """Breaks off a wait, from a signal's handler."""


class Worker:
    """One worker's loop; it owns its state, in the main thread.

    A signal sets a moment to stop at and touches nothing else, whatever it interrupts, except
    for a wait, which holds nothing and is broken off.
    """

    def __init__(
        self, client: redis.Redis, desk: ClaimDesk, runner: JobRunner, stop_seconds: float
    ) -> None:
        """Take jobs from `desk`, whose cache is that of `client`, and do them with `runner`.

        After it was asked to stop, a job in hand may go on for `stop_seconds`.
        """
        self._client = client
        self._desk = desk
        self._runner = runner
        self._stop_seconds = stop_seconds
        self._asked_at = 0.0
        self._stop_at: float | None = None
        self._is_waiting = False
        self._ignored: deque[int] = deque()
        self._outage = ""
        """What was said of the cache when it last failed; empty while it answers."""

    def work(self) -> None:
        """Do jobs until somebody asks for the end."""
        self._await_cache()
        while self._stop_at is None:
            self._log_ignored()
            try:
                found = self._desk.claim()
                self._outage = ""
                if isinstance(found, Claim):
                    self._runner.run(found, self._may_go_on)
                else:
                    look_again(self._client)
                    self._wait(partial(self._desk.wait, found, WAIT_SECONDS))
            except CacheUnavailableError as error:
                if self._is_news(str(error)):
                    _log.warning("cache_unavailable", detail=str(error))
                self._wait(partial(time.sleep, RETRY_SECONDS))

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the job in hand, or soon if that takes long; at once when asked again."""
        del signum, frame
        now = time.monotonic()
        if self._stop_at is None:
            self._asked_at, self._stop_at = now, now + self._stop_seconds
        elif now - self._asked_at > _SAME_REQUEST_SECONDS:
            self._stop_at = now
        if self._is_waiting:
            raise _StopWaitingError

    def ignore_signal(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal that means nothing to a worker, to be logged by its loop."""
        del frame
        self._ignored.append(signum)
        if self._is_waiting:
            raise _StopWaitingError

    def _await_cache(self) -> None:
        """Return as soon as the cache answers and can be written; it may be started after us."""
        while self._stop_at is None:
            self._log_ignored()
            try:
                refuse_replica(self._client)
            except redis.RedisError as error:
                detail = describe_trouble(error)
                if self._is_news(detail):
                    _log.warning("cache_unreachable", detail=detail)
                self._wait(partial(time.sleep, RETRY_SECONDS))
            else:
                expire_earlier_queue(self._client)
                _log.info("worker_ready")
                return

    def _may_go_on(self) -> bool:
        self._log_ignored()
        return self._stop_at is None or time.monotonic() < self._stop_at

    def _log_ignored(self) -> None:
        while self._ignored:
            log_ignored(self._ignored.popleft())

    def _is_news(self, detail: str) -> bool:
        """Return whether an outage is to be logged: once, not twice a second while it lasts."""
        is_news, self._outage = detail != self._outage, detail
        return is_news

    def _wait(self, wait: Callable[[], None]) -> None:
        """Wait in a way that a signal breaks off; one that came before is seen here."""
        try:
            self._is_waiting = True
            if self._stop_at is None:
                wait()
        except _StopWaitingError:
            return
        finally:
            self._is_waiting = False
