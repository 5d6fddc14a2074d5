"""Takes jobs from the queue one after the other, for as long as it is wanted."""

import gc
import logging
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import cast

import redis
from redis.client import Pipeline
from rq import worker_registration
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.worker import BaseWorker, WorkerStatus

from symbolon_server.cache.following import refuse_replica
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.cache.redis_trouble import describe_trouble
from symbolon_server.ingest.claims import ClaimDesk
from symbolon_server.ingest.ingest import Ingest
from symbolon_server.ingest.job_runner import RETRY_SECONDS, JobRunner, WorkerOptions
from symbolon_server.ingest.jobs import JOB_SERIALIZER, Claim, Priority
from symbolon_server.ingest.warming import warm_up
from symbolon_server.telemetry.ignored_signals import HARMLESS, log_ignored
from symbolon_server.telemetry.logs import EventLog

WAIT_SECONDS = 3.0
"""How long to wait for a new job before looking for those whose workers are gone."""

_WORKER_TTL_SECONDS = 60
"""When RQ forgets a worker that does not say that it is there, in `rq info`."""

_HEARTBEAT_SECONDS = 15.0

_SAME_REQUEST_SECONDS = 1.0
"""Ctrl+C reaches a worker from the terminal and once more from the server that started it."""

_log = EventLog(__name__)


class WorkerFailedError(Exception):
    """The worker ended without having been asked to; the log says why."""


def run_worker(
    client: redis.Redis,
    ingest: Ingest,
    memory: ModuleMemory,
    options: WorkerOptions | None = None,
) -> None:
    """Work until SIGTERM or SIGINT, from the main thread of a process without other threads.

    `client` is a client of the cache for nobody but this worker, which waits for jobs on it.
    `ingest` runs in forks, so it must not have opened a connection before. Raises
    `WorkerFailedError` when the worker ends by itself.
    """
    for name in ("rq", "rq.worker"):  # RQ sets its own loggers to INFO
        logging.getLogger(name).setLevel(logging.WARNING)
    warm_up()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page that it looks at
    worker = _make_worker(client, ingest, memory, options or WorkerOptions())
    worker.work()
    if not worker.was_stopped:
        raise WorkerFailedError("the worker ended by itself")


def _make_worker(
    client: redis.Redis, ingest: Ingest, memory: ModuleMemory, options: WorkerOptions
) -> "IngestWorker":
    """Return a worker as soon as the cache answers, which may be started after us."""
    told = ""
    while True:
        try:
            # RQ goes on without some of what the cache refuses, and fails later.
            refuse_replica(client)
            return IngestWorker(client, ingest, memory, options)
        except redis.RedisError as error:
            if (detail := describe_trouble(error)) != told:
                _log.warning("cache_unreachable", detail=detail)
            told = detail
            time.sleep(RETRY_SECONDS)


class ClaimedJob(Job):
    """A job as RQ's loop passes it from taking it to doing it."""

    claim: Claim


class IngestWorker(BaseWorker):
    """RQ's worker loop around claims with leases and forks with limits.

    What is left out of RQ's own worker: its subscription to commands, whose thread could
    hold a lock at the moment of a fork; suspension; and its registries of jobs, whose part the
    leases have. That makes five round trips for a job instead of thirty.

    A signal sets a moment to stop at and touches nothing else, whatever it interrupts, except
    for a wait, which holds nothing and is broken off.
    """

    def __init__(
        self,
        client: redis.Redis,
        ingest: Ingest,
        memory: ModuleMemory,
        options: WorkerOptions,
    ) -> None:
        """Introduce the worker to the cache; raise `RedisError` when that does not answer."""
        queues = [
            Queue(priority.value, connection=client, serializer=JOB_SERIALIZER)
            for priority in Priority
        ]
        super().__init__(
            queues, connection=client, serializer=JOB_SERIALIZER, worker_ttl=_WORKER_TTL_SECONDS
        )
        self._desk = ClaimDesk(client, options.lease_seconds)
        self._runner = JobRunner(self._desk, ingest, memory, options)
        self._stop_seconds = options.stop_seconds
        self._asked_at = 0.0
        self._stop_at: float | None = None
        self._is_waiting = False
        self._ignored: deque[int] = deque()
        self._next_heartbeat = 0.0
        self._has_lost_cache = False

    @property
    def was_stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stop_at is not None

    def bootstrap(
        self,
        logging_level: str | None = None,
        date_format: str = DEFAULT_LOGGING_DATE_FORMAT,
        log_format: str = DEFAULT_LOGGING_FORMAT,
    ) -> None:
        """Get ready to work and to stop; RQ's own would die of a signal before its loop begins."""
        self._install_signal_handlers()  # type: ignore[no-untyped-call] # RQ
        for number in HARMLESS:
            signal.signal(number, self.ignore_signal)
        super().bootstrap(logging_level, date_format, log_format)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Return the next job as soon as there is one, None to end the loop.

        `timeout` is None in burst mode, which ends with the last job.
        """
        del max_idle_time
        while not self.was_stopped:
            self._log_ignored()
            try:
                self.heartbeat()
                found = self._desk.claim()
                self._has_lost_cache = False
                if isinstance(found, Claim):
                    return self._make_job(found)
                if timeout is None:
                    return None
                self._wait(partial(self._desk.wait, found, WAIT_SECONDS))
            except CacheUnavailableError as error:
                self._note_outage(error)
                self._wait(partial(time.sleep, RETRY_SECONDS))
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Do a claimed job."""
        del queue
        self.set_state(WorkerStatus.BUSY)
        self._runner.run(cast("ClaimedJob", job).claim, self._may_go_on)
        self.set_state(WorkerStatus.IDLE)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the job in hand, or soon if that takes long; at once when asked again."""
        del signum, frame
        now = time.monotonic()
        if self._stop_at is None:
            self._asked_at, self._stop_at = now, now + self._stop_seconds
        elif now - self._asked_at > _SAME_REQUEST_SECONDS:
            self._stop_at = now
        if self._is_waiting:
            raise StopRequested

    def ignore_signal(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal that means nothing to a worker, to be logged by its loop."""
        del frame
        self._ignored.append(signum)
        if self._is_waiting:
            raise StopRequested

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Tell `rq info` now and then that the worker is there; no harm if that fails."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        elif time.monotonic() >= self._next_heartbeat:
            self._next_heartbeat = time.monotonic() + _HEARTBEAT_SECONDS
            with suppress(redis.RedisError), self.connection.pipeline(transaction=False) as own:
                super().heartbeat(timeout, own)
                own.execute()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Note the state here only: four round trips a job are not worth a word in `rq info`."""
        del pipeline
        self._state = state

    def run_maintenance_tasks(self) -> None:
        """Forget workers that died; what they had in hand their leases set free."""
        self.last_cleaned_at = datetime.now(UTC)  # type: ignore[assignment] # RQ infers None
        with suppress(redis.RedisError):
            for queue in self.queues:
                worker_registration.clean_worker_registry(queue)

    def check_for_suspension(self, burst: bool) -> None:
        """Never suspend."""

    def subscribe(self) -> None:
        """Hear no commands."""

    def teardown(self) -> None:
        """Take leave of the cache if it is there."""
        with suppress(redis.RedisError):
            super().teardown()  # type: ignore[no-untyped-call] # RQ

    def _make_job(self, claim: Claim) -> tuple[Job, Queue]:
        job = ClaimedJob(claim.job_id, connection=self.connection, serializer=JOB_SERIALIZER)
        job.claim = claim
        return job, self.queues[0]

    def _note_outage(self, error: CacheUnavailableError) -> None:
        """Log it once, not twice a second for as long as it lasts."""
        if not self._has_lost_cache:
            _log.warning("cache_unavailable", detail=str(error))
        self._has_lost_cache = True

    def _may_go_on(self) -> bool:
        self._log_ignored()
        self.heartbeat()
        return self._stop_at is None or time.monotonic() < self._stop_at

    def _log_ignored(self) -> None:
        while self._ignored:
            log_ignored(self._ignored.popleft())

    def _wait(self, wait: Callable[[], None]) -> None:
        """Wait in a way that a signal breaks off; one that came before is seen here."""
        try:
            self._is_waiting = True
            if not self.was_stopped:
                wait()
        except StopRequested:
            return
        finally:
            self._is_waiting = False
