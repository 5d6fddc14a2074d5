"""However an ingest process ends, for example by a crash or a timeout, its worker learns how."""

import errno
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from symbolon_server.ingest.working.ingest_process import (
    ProcessEnd,
    ProcessEnding,
    WorkLimits,
    run_in_process,
)
from symbolon_server.ingest.working.results import IngestOutcome, IngestResult, result_of
from symbolon_server.symbols.paging.writer import write_pages
from tests.symbols.read_texts import INGEST, read_records

pytestmark = pytest.mark.filterwarnings(
    # numpy's threads have fork handlers; Python 3.12 and later warn about any thread
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)

LIMITS = WorkLimits(memory_bytes=8 << 30, seconds=60)


def go_on() -> bool:
    return True


def sleep_for_ever() -> bytes:
    signal.pause()
    return b""


def kill_self(number: signal.Signals) -> Callable[[], bytes]:
    def work() -> bytes:
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        return sleep_for_ever()

    return work


def test_a_report_is_returned_whole() -> None:
    report = os.urandom(1 << 20)  # more than a pipe holds
    end = run_in_process(lambda: report, LIMITS, go_on)
    assert end == ProcessEnd(ProcessEnding.REPORTED, report)


def test_the_work_is_done_in_another_process() -> None:
    end = run_in_process(lambda: str(os.getpid()).encode(), LIMITS, go_on)
    assert int(end.report) != os.getpid()
    with pytest.raises(ProcessLookupError):  # and that one is gone, also from the process table
        os.kill(int(end.report), 0)


def test_the_cpu_time_of_the_work_is_reported() -> None:
    def calculate() -> bytes:
        while time.process_time() < 0.2:
            pass
        return b""

    assert 0.1 < run_in_process(calculate, LIMITS, go_on).cpu_seconds < LIMITS.seconds


def test_the_peak_memory_of_the_work_is_reported() -> None:
    large = 64 << 20
    idle = run_in_process(lambda: b"", LIMITS, go_on).peak_bytes
    busy = run_in_process(lambda: (b"x" * large)[:1], LIMITS, go_on).peak_bytes
    assert idle > 0
    assert busy - idle > large / 2


def test_an_exception_is_a_crash() -> None:
    def work() -> bytes:
        raise ZeroDivisionError

    assert run_in_process(work, LIMITS, go_on).ending is ProcessEnding.CRASHED


def test_an_attempt_to_exit_is_a_crash() -> None:
    def work() -> bytes:
        raise SystemExit(0)

    assert run_in_process(work, LIMITS, go_on).ending is ProcessEnding.CRASHED


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        (signal.SIGKILL, ProcessEnding.KILLED),
        (signal.SIGTERM, ProcessEnding.KILLED),
        (signal.SIGSEGV, ProcessEnding.CRASHED),
        (signal.SIGABRT, ProcessEnding.CRASHED),
    ],
)
def test_a_signal_is_reported_by_name(number: signal.Signals, ending: ProcessEnding) -> None:
    end = run_in_process(kill_self(number), LIMITS, go_on)
    assert end == ProcessEnd(ending, signal_name=number.name)


def test_work_that_exceeds_its_time_limit_is_ended() -> None:
    end = run_in_process(sleep_for_ever, WorkLimits(seconds=0.01), go_on)
    assert end.ending is ProcessEnding.TIMED_OUT


def test_work_that_may_not_continue_is_stopped() -> None:
    end = run_in_process(sleep_for_ever, LIMITS, lambda: False)
    assert end.ending is ProcessEnding.STOPPED


def test_an_exception_that_interrupts_the_wait_ends_the_work(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def break_off() -> bool:
        if not started.exists():
            return True
        raise KeyboardInterrupt

    def work() -> bytes:
        (tmp_path / "pid").write_text(str(os.getpid()))
        started.touch()
        return sleep_for_ever()

    with pytest.raises(KeyboardInterrupt):
        run_in_process(work, LIMITS, break_off)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_memory_beyond_the_limit_is_refused() -> None:
    def work() -> bytes:
        try:
            return bytes(len(bytearray(512 << 20)) % 2)
        except MemoryError:
            return b"refused"

    assert run_in_process(work, WorkLimits(memory_bytes=64 << 20), go_on).report == b"refused"


def test_without_memory_for_a_thread_writing_pages_fails_rather_than_blocks() -> None:
    table = read_records(*(b"FUNC %x 10 0 f" % start for start in range(0, 0x1000, 0x10)))
    for _ in range(2):  # glibc keeps freed memory for reuse, so it is not available for a thread
        given_back = [bytearray(31 << 20) for _ in range(3)]
        del given_back

    def work() -> bytes:
        try:
            write_pages(table, "1-0", INGEST, page_weight=1)
        except MemoryError:
            return b"refused"
        return b""

    for room in (1 << 20, 8 << 20, 16 << 20):
        limits = WorkLimits(psutil.Process().memory_info().vms + room, seconds=20)
        assert run_in_process(work, limits, go_on).report == b"refused"


def test_cpu_time_beyond_the_limit_is_the_works_own_fault() -> None:
    def work() -> bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (0, hard))
        while True:
            pass

    end = run_in_process(work, LIMITS, go_on)
    assert end == ProcessEnd(ProcessEnding.CRASHED, signal_name="SIGXCPU")


def test_a_lower_system_limit_is_kept() -> None:
    def work() -> bytes:
        return str(resource.getrlimit(resource.RLIMIT_CPU)[0]).encode()

    def with_lower_limit() -> bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (7, hard))
        return run_in_process(work, LIMITS, go_on).report

    assert run_in_process(with_lower_limit, LIMITS, go_on).report == b"7"


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_work_that_no_process_can_be_had_for_is_not_started(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail() -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    before = psutil.Process().num_fds()
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        end = run_in_process(lambda: b"", LIMITS, go_on)
    assert end.ending is ProcessEnding.NOT_STARTED
    assert result_of(end, LIMITS) is None
    assert psutil.Process().num_fds() == before


def test_no_descriptor_is_left_open() -> None:
    before = psutil.Process().num_fds()
    for work in (lambda: b"", kill_self(signal.SIGKILL)):
        run_in_process(work, LIMITS, go_on)
    assert psutil.Process().num_fds() == before


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (ProcessEnd(ProcessEnding.KILLED, signal_name="SIGKILL"), IngestOutcome.UNAVAILABLE),
        (ProcessEnd(ProcessEnding.TIMED_OUT, cpu_seconds=29.0), IngestOutcome.UNAVAILABLE),
        (ProcessEnd(ProcessEnding.TIMED_OUT, cpu_seconds=31.0), IngestOutcome.MALFORMED),
        (ProcessEnd(ProcessEnding.CRASHED), IngestOutcome.UNAVAILABLE),
        (ProcessEnd(ProcessEnding.CRASHED, signal_name="SIGSEGV"), IngestOutcome.MALFORMED),
    ],
)
def test_a_transient_failure_is_unavailable(end: ProcessEnd, outcome: IngestOutcome) -> None:
    result = result_of(end, LIMITS)
    assert result is not None
    assert result.outcome is outcome
    assert result.failure is not None
    assert result.detail


def test_a_result_passes_through_the_pipe() -> None:
    result = IngestResult(IngestOutcome.UNAVAILABLE, "the supplier “x” is busy", 12.5)
    end = run_in_process(result.encode, LIMITS, go_on)
    assert result_of(end, LIMITS) == replace(result, peak_bytes=end.peak_bytes)


def test_stopped_work_has_no_result() -> None:
    assert result_of(ProcessEnd(ProcessEnding.STOPPED), LIMITS) is None


def test_a_fork_and_its_report_take_little_time() -> None:
    """Not a benchmark: it fails if a fork waits for something, such as a tick."""
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        run_in_process(lambda: b"done", LIMITS, go_on)
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 0.5
