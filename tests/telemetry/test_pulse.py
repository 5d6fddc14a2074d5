import os
from collections.abc import Callable
from pathlib import Path

import pytest

from symbolon_server.telemetry.endpoint import MULTIPROCESS_FOLDER_VARIABLE
from symbolon_server.telemetry.pulse import PATIENCE_SECONDS, Beat, Condition, Pulse, read_beat


def at(now: float) -> Callable[[], float]:
    return lambda: now


def read(folder: Path) -> Beat | None:
    return read_beat(folder, os.getpid())


def test_a_parent_reads_the_last_beat(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, at(7.0))
    assert read(tmp_path) is None
    pulse.beat(Condition.WITHOUT_CACHE, 3.0)
    pulse.beat(Condition.READY)
    assert read(tmp_path) == Beat(7.0 + PATIENCE_SECONDS, Condition.READY)


def test_a_process_that_never_had_a_pulse_has_no_beat(tmp_path: Path) -> None:
    assert read(tmp_path) is None


def test_a_beat_during_a_job_counts_no_longer_than_the_job_may_take(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, at(100.0))
    with pulse.limited(20.0):
        pulse.beat(Condition.READY)
        assert read(tmp_path) == Beat(120.0, Condition.READY)
    pulse.beat(Condition.READY)
    assert read(tmp_path) == Beat(100.0 + PATIENCE_SECONDS, Condition.READY)


def test_a_pulse_is_kept_in_the_folder_of_the_metrics_or_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MULTIPROCESS_FOLDER_VARIABLE, raising=False)
    Pulse.for_parent().beat(Condition.READY)
    assert read(tmp_path) is None
    monkeypatch.setenv(MULTIPROCESS_FOLDER_VARIABLE, str(tmp_path))
    Pulse.for_parent().beat(Condition.READY)
    assert read(tmp_path) is not None
