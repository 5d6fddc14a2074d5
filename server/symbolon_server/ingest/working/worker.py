"""A worker: takes one job after the other from the queue until it is stopped."""

import gc
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from types import FrameType
from typing import Final

import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.ingest.queueing.claims import ClaimDesk, expire_earlier_queue
from symbolon_server.ingest.queueing.jobs import Claim
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.job_runner import RETRY_SECONDS, JobRunner, WorkerOptions
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.redis_servers.following import look_again, refuse_replica
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts
from symbolon_server.symbols.paging.directory import decode_directory, encode_directory
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.telemetry.ignored_signals import HARMLESS, log_ignored
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.pulse import PATIENCE_SECONDS, Condition, Pulse
from symbolon_server.telemetry.tracing.outbox import Outbox
from symbolon_server.telemetry.tracing.tracer import Tracer

WAIT_SECONDS = 3.0
"""How long to wait for a new job before looking for jobs whose leases have lapsed."""

_SAME_REQUEST_SECONDS = 1.0
"""Ctrl+C reaches a worker twice: from the terminal and from the server that started it."""

_WARMING_MODULE: Final = ModuleId.parse("warm.so", "0" * 33)

_WARMING_SYMBOLS: Final = b"""\
MODULE Linux x86_64 000000000000000000000000000000000 warm.so
FILE 0 warm.c
INLINE_ORIGIN 0 inlined
FUNC 10 20 0 outer
INLINE 0 2 0 0 18 8
10 8 1 0
18 8 7 0
20 10 3 0
PUBLIC 40 0 _Z6publicv
"""
"""One record of each kind that is read."""

_log = EventLog(__name__)


def run_worker(
    client: redis.Redis,
    ingest: Ingest,
    memory: ModuleMemory,
    insertion: InsertionMemory,
    options: WorkerOptions | None = None,
    *,
    pulse: Pulse | None = None,
    tracer: Tracer | None = None,
) -> None:
    """Work until SIGTERM or SIGINT, from the main thread of a process without other threads.

    `client` is a cache client for this worker only, which waits for jobs on it. `ingest` runs in
    forks, so it must not have opened a connection before. The worker's condition goes to `pulse`.
    With a `tracer`, jobs of traced calls have spans, which are sent between two jobs.
    """
    warm_up()
    gc.collect()  # of what each fork would share
    options = options or WorkerOptions()
    name = f"{socket.gethostname()}:{os.getpid()}"
    desk = ClaimDesk(client, options.lease_seconds, worker=name, spool=options.spool)
    runner = JobRunner(desk, ingest, memory, insertion, options, tracer=tracer)
    outbox = None if tracer is None else tracer.outbox
    worker = Worker(client, desk, runner, options, pulse or Pulse(None), outbox=outbox)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.request_stop)
    for number in HARMLESS:
        signal.signal(number, worker.ignore_signal)
    worker.work()
    if outbox is not None:
        outbox.send_last()


class _StopWaitingError(Exception):
    """Interrupts a wait, from a signal handler."""


class Worker:
    """One worker's loop, in the main thread.

    A signal handler only sets the time to stop, whatever it interrupts. Only a wait, which holds
    nothing, is interrupted.
    """

    def __init__(
        self,
        client: redis.Redis,
        desk: ClaimDesk,
        runner: JobRunner,
        options: WorkerOptions,
        pulse: Pulse,
        *,
        outbox: Outbox | None = None,
    ) -> None:
        """Claim jobs from `desk`, whose cache is that of `client`, and run them with `runner`.

        Each turn of the loop, and each look at a running job, is a beat of `pulse`. Spans in
        `outbox` are sent when there is no job, or many spans.
        """
        self._outbox = outbox
        self._client = client
        self._desk = desk
        self._runner = runner
        self._stop_seconds = options.stop_seconds
        self._most_job_seconds = options.limits.seconds + PATIENCE_SECONDS
        self._pulse = pulse
        self._asked_at = 0.0
        self._stop_at: float | None = None
        self._is_waiting = False
        self._ignored: deque[int] = deque()
        self._outage = ""
        """The cache's last error; empty while it answers."""

    def work(self) -> None:
        """Run jobs until a stop is requested."""
        self._await_cache()
        while self._stop_at is None:
            self._log_ignored()
            try:
                found = self._desk.claim()
                self._outage = ""
                self._pulse.beat(Condition.READY)
                if isinstance(found, Claim):
                    with self._pulse.limited(self._most_job_seconds):
                        self._runner.run(found, self._may_go_on)
                    if self._outbox is not None and self._outbox.has_batch():
                        self._outbox.send()
                else:
                    if self._outbox is not None:
                        self._outbox.send()
                    look_again(self._client)
                    self._wait(partial(self._desk.wait, found, WAIT_SECONDS))
            except CacheUnavailableError as error:
                self._pulse.beat(Condition.WITHOUT_CACHE)
                if self._is_news(str(error)):
                    _log.warning("cache_unavailable", detail=str(error))
                self._wait(partial(time.sleep, RETRY_SECONDS))

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the current job or after `stop_seconds`; at once if requested again."""
        del signum, frame
        now = time.monotonic()
        if self._stop_at is None:
            self._asked_at, self._stop_at = now, now + self._stop_seconds
        elif now - self._asked_at > _SAME_REQUEST_SECONDS:
            self._stop_at = now
        if self._is_waiting:
            raise _StopWaitingError

    def ignore_signal(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal that a worker ignores; its loop logs it."""
        del frame
        self._ignored.append(signum)
        if self._is_waiting:
            raise _StopWaitingError

    def _await_cache(self) -> None:
        """Wait until the cache answers and is writable; it may start after the worker."""
        while self._stop_at is None:
            self._log_ignored()
            try:
                refuse_replica(self._client)
            except redis.RedisError as error:
                self._pulse.beat(Condition.WITHOUT_CACHE)
                detail = describe_trouble(error)
                if self._is_news(detail):
                    _log.warning("cache_unreachable", detail=detail)
                self._wait(partial(time.sleep, RETRY_SECONDS))
            else:
                expire_earlier_queue(self._client)
                _log.info("worker_ready")
                self._pulse.beat(Condition.READY)
                return

    def _may_go_on(self) -> bool:
        self._log_ignored()
        self._pulse.beat(Condition.READY)
        return self._stop_at is None or time.monotonic() < self._stop_at

    def _log_ignored(self) -> None:
        while self._ignored:
            log_ignored(self._ignored.popleft())

    def _is_news(self, detail: str) -> bool:
        """Return whether to log an outage: once, not at every retry."""
        is_news, self._outage = detail != self._outage, detail
        return is_news

    def _wait(self, wait: Callable[[], None]) -> None:
        """Wait such that a signal interrupts it, also one that arrives just before."""
        try:
            self._is_waiting = True
            if self._stop_at is None:
                wait()
        except _StopWaitingError:
            return
        finally:
            self._is_waiting = False


def warm_up() -> None:
    """Read and write a module in memory, so that forks inherit what the first run sets up.

    Parts of numpy are imported at their first use, and code is slow the first time it runs: half
    of the time for a small module.
    """
    reader = SymbolFileReader(_WARMING_MODULE)
    reader.feed(_WARMING_SYMBOLS)
    facts = IngestFacts(supplier="", finished_at=0.0, seconds=0.0, fetched_bytes=0)
    generation = new_generation(Random(0))  # noqa: S311 - it is no secret
    module = write_pages(reader.finish(), generation, facts)
    decode_directory(_WARMING_MODULE, encode_directory(_WARMING_MODULE, module.directory))
