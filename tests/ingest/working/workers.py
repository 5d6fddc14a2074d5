"""Real worker processes for tests."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.fixtures.programs.forked import ForkedProcess
from tests.ingest.working import worker_program

WAIT_SECONDS = 60.0
"""Timeout of a test for an event that must happen."""


@dataclass(frozen=True, slots=True)
class RunningWorker:
    process: ForkedProcess
    log: Path

    def ingest_process(self) -> psutil.Process:
        """Return the one fork of the worker, which has a job."""
        [ingest_process] = psutil.Process(self.process.pid).children()
        return ingest_process

    def wait_until_ready(self) -> None:
        """Return once the worker has reached the cache."""
        self.wait_until_logged("worker_ready")

    def wait_until_logged(self, event: str) -> None:
        """Return once the log has an event."""
        while event.encode() not in self.log.read_bytes():
            assert self.process.poll() is None, self.log.read_text()
            self.wait_for_log()

    def wait_for_log(self) -> None:
        """Return after a moment, when the log may have grown."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.01)

    def stop(self) -> int:
        """Ask the worker to stop and return its exit code."""
        self.process.terminate()
        return self.process.wait(WAIT_SECONDS)


@dataclass(frozen=True, slots=True)
class WorkerStarter:
    """What the workers of one test share."""

    cache_url: str
    store_url: str
    supplier: str
    folder: Path

    @contextmanager
    def run(
        self,
        *,
        spool: Path | None = None,
        limits: dict[str, Any] | None = None,
        **others: float,
    ) -> Iterator[RunningWorker]:
        """Run a worker; it is killed at the end if it still runs."""
        options = json.dumps({"limits": limits or {}, "others": others})
        self.folder.mkdir(exist_ok=True)
        log = self.folder / f"worker-{len(list(self.folder.iterdir()))}.log"
        arguments = [self.cache_url, self.store_url, self.supplier, str(spool or "-"), options]
        process = ForkedProcess(worker_program.run, arguments, os.environ, log)
        try:
            yield RunningWorker(process, log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
