"""What a worker says of itself while it works."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.working.ingest_process import WorkLimits
from symbolon_server.ingest.working.job_runner import WorkerOptions
from symbolon_server.ingest.working.worker import Worker
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.pulse import PATIENCE_SECONDS, Beat, Condition, Pulse, read_beat

LIMIT_SECONDS = 600.0


class LongJob:
    """Stands for a job runner whose job takes its time, by a clock, and then asks to stop."""

    def __init__(self, seconds: float, folder: Path) -> None:
        self.now = 1_000.0
        self.begun: Beat | None = None
        self.seen: Beat | None = None
        self.worker: Worker | None = None
        self._seconds = seconds
        self._folder = folder

    def run(self, _claim: Claim, may_go_on: Callable[[], bool]) -> None:
        assert self.worker is not None
        self.begun = read_beat(self._folder, os.getpid())
        self.now += self._seconds
        assert may_go_on()
        self.seen = read_beat(self._folder, os.getpid())
        self.worker.request_stop(signal.SIGTERM, None)


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(30.0, PATIENCE_SECONDS), (LIMIT_SECONDS, PATIENCE_SECONDS), (900.0, -180.0)],
)
def test_a_long_job_is_no_death_and_one_past_its_limit_is(
    *,
    redis_cache: redis.Redis,
    queue: IngestQueue,
    desk: ClaimDesk,
    xul: ModuleId,
    tmp_path: Path,
    seconds: float,
    left: float,
) -> None:
    queue.enqueue({xul: [0]}, Band.AWAITED)
    job: Any = LongJob(seconds, tmp_path)
    options = WorkerOptions(limits=WorkLimits(seconds=LIMIT_SECONDS))
    pulse = Pulse(tmp_path, lambda: float(job.now))
    job.worker = Worker(redis_cache, desk, job, options, pulse)
    job.worker.work()
    assert job.begun == Beat(1_000.0 + PATIENCE_SECONDS, Condition.READY)
    assert job.seen == Beat(job.now + left, Condition.READY)
