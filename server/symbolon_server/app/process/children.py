"""Child programs: they run beside this process, inherit its limits and never outlive it."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from symbolon_server.app.process.signals import STOP_NEAR
from symbolon_server.redis_servers import with_parent
from symbolon_server.telemetry.logs import EventLog

_SHORT_LIFE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
"""Before a program is restarted that ended soon after its start."""

READY: Final = "ready"
"""What a child writes to its output when it serves."""

MOST_OPEN_FILES: Final = 1 << 20
"""If the system has no limit; some programs take time for each possible descriptor."""

_log = EventLog(__name__)


class Child:
    """One program that is restarted whenever it ends, until `stop`.

    It dies with this process, even if this is killed. For that it must be started and restarted
    from the main thread: the kernel watches the thread. It has a session of its own, so that
    Ctrl-C reaches only this process, which stops its children in order.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        has_report: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run `python -m` with `arguments`; `has_report` is for programs that `report_ready`."""
        self._name = name
        launcher = [sys.executable, "-I", "-S", with_parent.__file__, str(os.getpid())]
        self._command = [*launcher, sys.executable, "-m", *arguments]
        self._environment = dict(environment)
        self._has_report = has_report
        self._clock = clock
        self._start()

    @property
    def name(self) -> str:
        """What logs and probes call it."""
        return self._name

    @property
    def started_at(self) -> float:
        """When the program was last started, by the clock."""
        return self._started_at

    @property
    def process_id(self) -> int:
        """The process of the program, or the last one if it has ended."""
        return self._process.pid

    def wait_until_ready(self) -> bool:
        """Wait for the program's report; return False if it ended without one."""
        if self._process.stdout is None:
            raise ValueError(f"{self._name} does not report")
        return self._process.stdout.readline().decode(errors="replace").strip() == READY

    def is_running(self) -> bool:
        """Return whether the program runs."""
        return self._process.poll() is None

    def revive(self) -> float | None:
        """Restart the program if it has ended.

        Returns the seconds to wait before it may be restarted, or None if it runs.
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
        """Send SIGHUP: the program reloads its files."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGHUP)

    def announce_stop(self) -> None:
        """Send `STOP_NEAR`: the program prepares for the end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(STOP_NEAR)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; `stop` waits for the end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def stop(self, patience_seconds: float) -> None:
        """End the program; send SIGKILL if it does not end in time."""
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
        self._process = subprocess.Popen(  # noqa: S603 # one of our programs
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._has_report else sys.stderr,
            start_new_session=True,
        )

    def _ended_at(self) -> float:
        """When the end of the program was first noticed."""
        if self._ended is None:
            self._ended = self._clock()
        return self._ended

    def _close_report(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


def report_ready() -> None:
    """Tell the parent process, which waits for it, that this program serves."""
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


def allow_open_files(count: int | None) -> None:
    """Let this process and its children open `count` files, or as many as the system allows.

    None stands for the system's limit, and at most `MOST_OPEN_FILES`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if count is None else count
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
