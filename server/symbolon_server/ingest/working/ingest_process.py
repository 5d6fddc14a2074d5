"""Runs work in a forked process, which may crash, be killed, or take too long."""

import gc
import math
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple, NoReturn

from symbolon_server.redis_servers.with_parent import die_with_parent
from symbolon_server.telemetry.logs import EventLog

TICK_SECONDS = 1.0
"""Interval of checks while a worker waits for its ingest process."""

_REPORT_BYTES = 1 << 16

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of `ru_maxrss`."""

_log = EventLog(__name__)


class WorkLimits(NamedTuple):
    """The resources that an ingest may use before it is ended."""

    memory_bytes: int = 4 << 30
    """Of address space, not resident memory. Further allocations fail, in Python with a
    `MemoryError`."""

    seconds: float = 600.0
    """Limit for the elapsed time, and also for the CPU time."""


class ProcessEnding(Enum):
    """How an ingest process ended."""

    REPORTED = "reported"
    CRASHED = "crashed"
    """By an exception, or by a signal for its own fault, such as SIGSEGV."""

    KILLED = "killed"
    """From outside, for example by the kernel when the host ran out of memory."""

    TIMED_OUT = "timed out"
    STOPPED = "stopped"
    """By its worker, which is stopping."""

    NOT_STARTED = "not started"
    """The machine had no memory, process or descriptor left for it."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How an ingest process ended, and its report if it wrote one."""

    ending: ProcessEnding
    report: bytes = b""
    signal_name: str = ""
    """Name of the signal that ended it, if any."""

    peak_bytes: int = field(default=0, compare=False)
    """Peak resident memory, including pages shared with the worker."""

    cpu_seconds: float = field(default=0.0, compare=False)
    """Total CPU time."""


_OWN_FAULT = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGXCPU}
)


def run_in_process(
    work: Callable[[], bytes], limits: WorkLimits, may_go_on: Callable[[], bool]
) -> ProcessEnd:
    """Run `work` in a fork of this process; return its report, or how it failed.

    `may_go_on` is called about every `TICK_SECONDS`; when it returns False the work is stopped. An
    exception of `work` is logged in the fork and counts as a crash.
    """
    parent = os.getpid()
    try:
        process_id, read_end, write_end = _fork_with_pipe()
    except OSError as error:
        _log.warning("ingest_process_not_started", detail=error.strerror)
        return ProcessEnd(ProcessEnding.NOT_STARTED)
    if process_id == 0:
        os.close(read_end)
        _work(work, limits, parent, write_end)
    os.close(write_end)
    report, ending = b"", ProcessEnding.STOPPED
    try:
        report, ending = _read_report(read_end, limits.seconds, may_go_on)
    finally:  # also when a signal handler's exception interrupts the wait
        os.close(read_end)
        exit_code, usage = _await_exit(process_id, kill=ending is not ProcessEnding.REPORTED)
    return replace(
        _describe_end(report, ending, exit_code),
        peak_bytes=usage.ru_maxrss * _MAXRSS_BYTES,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
    )


def _fork_with_pipe() -> tuple[int, int, int]:
    """Return what `os.fork` and `os.pipe` do; leave nothing open where one of them fails."""
    read_end, write_end = os.pipe()
    try:
        return os.fork(), read_end, write_end
    except OSError:
        os.close(read_end)
        os.close(write_end)
        raise


def _work(work: Callable[[], bytes], limits: WorkLimits, parent: int, write_end: int) -> NoReturn:
    """Do the work in the fork, and exit without running the parent's exit handlers."""
    code = 1
    try:
        _set_up_fork(limits, parent)
        _write_all(write_end, work())
        code = 0
    except Exception as error:  # noqa: BLE001 - the outermost frame of a process
        _log.error("ingest_process_crashed", exception=error)
    finally:
        os._exit(code)


def _set_up_fork(limits: WorkLimits, parent: int) -> None:
    # Collecting the parent's garbage would copy every memory page it visits, and may wait forever
    # for a lock of a thread that the fork does not have.
    gc.freeze()
    os.setpgid(0, 0)  # Ctrl+C at the terminal must reach the worker only, which ends its work
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        die_with_parent(parent)
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_CPU, math.ceil(limits.seconds))
    _set_limit(resource.RLIMIT_AS, limits.memory_bytes)


def _set_limit(kind: int, value: int) -> None:
    """Lower a limit, unless it is already lower."""
    soft, hard = resource.getrlimit(kind)
    given = [limit for limit in (soft, hard, value) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min(given), hard))


def _write_all(descriptor: int, report: bytes) -> None:
    while report:
        report = report[os.write(descriptor, report) :]


def _read_report(
    read_end: int, seconds: float, may_go_on: Callable[[], bool]
) -> tuple[bytes, ProcessEnding]:
    """Return what the fork wrote until it closed the pipe, or why the wait ended earlier."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    report = b""
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(math.ceil(min(left, TICK_SECONDS) * 1000)):
            piece = os.read(read_end, _REPORT_BYTES)
            if not piece:
                return report, ProcessEnding.REPORTED
            report += piece
        elif not may_go_on():
            return report, ProcessEnding.STOPPED
    return report, ProcessEnding.TIMED_OUT


def _await_exit(process_id: int, *, kill: bool) -> tuple[int, resource.struct_rusage]:
    """Return the exit code of the fork, negative for a signal, and its resource usage.

    Peak memory is measured here and not in a new program, for which the kernel would start
    counting with the size of the process that started it.
    """
    if kill:
        os.kill(process_id, signal.SIGKILL)
    _, status, usage = os.wait4(process_id, 0)
    return os.waitstatus_to_exitcode(status), usage


def _describe_end(report: bytes, ending: ProcessEnding, exit_code: int) -> ProcessEnd:
    if ending is not ProcessEnding.REPORTED or exit_code == 0:
        return ProcessEnd(ending, report)
    if exit_code > 0:
        return ProcessEnd(ProcessEnding.CRASHED)
    number = signal.Signals(-exit_code)
    ending = ProcessEnding.CRASHED if number in _OWN_FAULT else ProcessEnding.KILLED
    return ProcessEnd(ending, signal_name=number.name)
