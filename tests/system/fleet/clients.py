"""Clients of a fleet: the command line, hour after hour, and what it answers."""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

from tests.app.conftest import PATIENCE_SECONDS, ROOT
from tests.system.fleet.day import DayTally, compare, write_reports

CLIENTS: Final = 4
_MOST_PROBLEMS: Final = 20


class Clients:
    """So many clients at a time, each with reports of its own, from `__enter__` to `__exit__`.

    The tally has one owner, this, and one lock.
    """

    def __init__(self, target: str, folder: Path, reports: int, clients: int = CLIENTS) -> None:
        """Let each of `clients` send so many reports an hour to `target`."""
        self._target = target
        self._folder = folder
        self._reports = reports
        self._changed = threading.Condition()
        self._is_over = False
        self._hours = [0] * clients
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._killed = 0
        self.tally = DayTally()
        self.problems: list[str] = []
        self._threads = [
            threading.Thread(target=self._send_on, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_over = True
        for thread in self._threads:
            thread.join()

    @property
    def newest_hour(self) -> int:
        """Return the hour that the fastest client has reached."""
        with self._changed:
            return max(self._hours)

    @property
    def killed(self) -> int:
        """Return how many runs were killed and resumed."""
        with self._changed:
            return self._killed

    def wait_for_hours(self, hours: int) -> None:
        """Return once each client has sent all of its reports so many times from now on."""
        with self._changed:
            goals = [hour + hours for hour in self._hours]
            assert self._changed.wait_for(
                lambda: all(now >= goal for now, goal in zip(self._hours, goals, strict=True)),
                PATIENCE_SECONDS * hours,
            )

    def wait_for(self, seconds: float) -> None:
        """Return after so many seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: time.monotonic() >= end, seconds)

    def kill_one(self, number: int = 0) -> None:
        """Kill a client that has answered some of its reports; it is started again by itself."""
        with self._changed:
            hour = self._hours[number]
            assert self._changed.wait_for(
                lambda: self._hours[number] > hour and number in self._running, PATIENCE_SECONDS
            )
            running = self._running[number]
        answers = self._paths(number, hour + 1)[1]
        while not (answers.exists() and answers.stat().st_size) and running.poll() is None:
            self.wait_for(0.01)
        running.kill()

    def _send_on(self, number: int) -> None:
        random = Random(number)
        while not self._is_over:
            self._send_hour(number, random)
            with self._changed:
                self._hours[number] += 1
                self._changed.notify_all()

    def _send_hour(self, number: int, random: Random) -> None:
        hour = self._hours[number]
        reports, answers = self._paths(number, hour)
        write_reports(reports, hour, self._reports, random)
        while (code := self._run(number, reports, answers)) < 0:
            with self._changed:
                self._killed += 1
        tally = DayTally(failed=int(code != 0))
        problems = compare(reports, answers, tally) if code == 0 else []
        with self._changed:
            self._add(tally, problems or [f"client {number} ended with {code}"] * tally.failed)
        for path in (reports, answers):
            path.unlink(missing_ok=True)

    def _run(self, number: int, reports: Path, answers: Path) -> int:
        command = [sys.executable, "-m", "symbolon", "symbolicate", "--target", self._target]
        flags = ["--output", str(answers), "--no-progress", "--processes", "1", "--remember", "0"]
        waits = ["--wait-for-ready", "--timeout", str(PATIENCE_SECONDS)]
        with subprocess.Popen([*command, *flags, *waits, str(reports)], cwd=ROOT) as program:
            with self._changed:
                self._running[number] = program
                self._changed.notify_all()
            code = program.wait(2 * PATIENCE_SECONDS)
            with self._changed:
                del self._running[number]
        return code

    def _add(self, tally: DayTally, problems: Sequence[str]) -> None:
        self.tally.reports += tally.reports
        self.tally.frames += tally.frames
        self.tally.unanswered += tally.unanswered
        self.tally.wrong += tally.wrong
        self.tally.failed += tally.failed
        self.problems += problems[: _MOST_PROBLEMS - len(self.problems)]

    def _paths(self, number: int, hour: int) -> tuple[Path, Path]:
        names = (f"reports-{number}-{hour}.jsonl", f"answers-{number}-{hour}.jsonl")
        return self._folder / names[0], self._folder / names[1]
