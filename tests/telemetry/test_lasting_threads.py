"""Background threads: unexpected errors are logged and counted, and the threads continue."""

import threading
from collections.abc import Callable

import pytest

from symbolon_server.telemetry.lasting_threads import (
    MOST_FAILURES,
    LastingThread,
    LastResort,
    Vitals,
)
from symbolon_server.telemetry.metrics import REGISTRY

SECONDS = 30.0


def errors_of(thread: str) -> float:
    return REGISTRY.get_sample_value("symbolon_thread_errors_total", {"thread": thread}) or 0.0


def fail() -> None:
    raise ValueError("a defect")


def test_an_error_is_logged_once_with_its_traceback_and_counted_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    resort = LastResort("logged")
    assert [resort.run(fail) for _ in range(3)] == [False] * 3
    [record] = caplog.records
    assert record.getMessage() == "thread_failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert errors_of("logged") == 3


def test_each_kind_of_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    resort = LastResort("kinds")
    resort.run(fail)
    resort.run(lambda: next(iter(())))
    assert len(caplog.records) == 2


def test_a_part_fails_after_consecutive_errors_and_recovers_with_progress() -> None:
    vitals, told = Vitals(), list[bool]()
    vitals.listen(lambda: told.append(vitals.are_sound()))
    resort = LastResort("in a row", vitals)
    for _ in range(2):
        for _ in range(MOST_FAILURES - 1):
            resort.run(fail)
        assert vitals.are_sound()
        resort.run(bool)  # progress
    for _ in range(MOST_FAILURES + 1):
        resort.run(fail)
    assert told == [False]
    resort.run(bool)
    assert told == [False, True]


def test_one_part_that_recovers_does_not_hide_another() -> None:
    vitals = Vitals()
    first, second = LastResort("first", vitals), LastResort("second", vitals)
    for resort in (first, second):
        for _ in range(MOST_FAILURES):
            resort.run(fail)
    first.note_progress()
    assert not vitals.are_sound()
    second.note_progress()
    assert vitals.are_sound()


def test_a_thread_continues_after_an_error() -> None:
    served = threading.Semaphore(0)

    def serve() -> None:
        served.release()
        fail()

    thread = LastingThread("goes on", serve, pause_seconds=0.001)
    thread.start()
    assert all(served.acquire(timeout=SECONDS) for _ in range(5))
    thread.close()
    assert errors_of("goes on") >= 5


@pytest.mark.parametrize("leave", [fail, exit])
def test_a_failed_thread_is_reported(leave: Callable[[], None]) -> None:
    vitals, is_lost = Vitals(), threading.Event()
    vitals.listen(is_lost.set)
    thread = LastingThread("cannot", leave, vitals, pause_seconds=0.001)
    thread.start()
    assert is_lost.wait(SECONDS)
    assert not vitals.are_sound()
    thread.close()
