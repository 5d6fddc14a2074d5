"""Programs of our own that run beside this process and never outlive it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from symbolon_server.redis_servers import with_parent
from symbolon_server.telemetry.logs import EventLog

_SHORT_LIFE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
"""Before a program is started again that ended soon after its start."""

_log = EventLog(__name__)


class Child:
    """One program that is started again whenever it ends, until `stop`.

    It dies with this process, even when that is killed: so it is started, and started
    again, from the main thread only (the kernel watches the thread). Its session is its own:
    Ctrl-C is for this process, which stops its children in their order.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        reports: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run `python -m` with `arguments`; with `reports`, `read_report` gives its output."""
        self._name = name
        launcher = [sys.executable, "-I", "-S", with_parent.__file__, str(os.getpid())]
        self._command = [*launcher, sys.executable, "-m", *arguments]
        self._environment = dict(environment)
        self._reports = reports
        self._clock = clock
        self._start()

    @property
    def process_id(self) -> int:
        """The running program's process, or that of the last one."""
        return self._process.pid

    def read_report(self) -> str:
        """Return the next line of its output; empty when it has ended."""
        if self._process.stdout is None:
            raise ValueError(f"{self._name} does not report")
        return self._process.stdout.readline().decode(errors="replace").strip()

    def is_running(self) -> bool:
        """Return whether the program runs."""
        return self._process.poll() is None

    def revive(self) -> float | None:
        """Start the program again if it has ended; return seconds to wait before that.

        None: it runs.
        """
        if self.is_running():
            return None
        lived = self._ended_at() - self._started_at
        pause = _PAUSE_SECONDS if lived < _SHORT_LIFE_SECONDS else 0.0
        left = self._ended_at() + pause - self._clock()
        if left > 0:
            return left
        _log.warning("child_restarted", name=self._name, exit_code=self._process.returncode)
        self._close_report()
        self._start()
        return None

    def hang_up(self) -> None:
        """Send SIGHUP: the program reads again what may have changed."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGHUP)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; `stop` waits for the end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def stop(self, patience_seconds: float) -> None:
        """End the program, with SIGKILL when it does not end in time."""
        self.ask_to_stop()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            _log.warning("child_killed", name=self._name)
            self._process.kill()
            self._process.wait()
        self._close_report()

    def _start(self) -> None:
        self._started_at = self._clock()
        self._ended: float | None = None
        self._process = subprocess.Popen(  # noqa: S603 # our own program
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._reports else sys.stderr,
            start_new_session=True,
        )

    def _ended_at(self) -> float:
        """When it was first seen that the program had ended."""
        if self._ended is None:
            self._ended = self._clock()
        return self._ended

    def _close_report(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()
