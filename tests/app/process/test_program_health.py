import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from symbolon_server.app.process.children import Child
from symbolon_server.app.process.program_health import ProgramHealth
from symbolon_server.telemetry.endpoint import MULTIPROCESS_FOLDER_VARIABLE
from symbolon_server.telemetry.pulse import PATIENCE_SECONDS, Condition
from tests.app.conftest import wait_until

BEATS_ONCE = """
import sys, signal
from symbolon_server.telemetry.pulse import Condition, Pulse
print("ready", flush=True)
sys.stdin.read()
Pulse.for_parent().beat(Condition.READY)
signal.pause()
"""
"""Reports before it beats, so that a test sees it without a beat where there is no folder."""


class Clock:
    """The monotonic clock, which a test puts forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock, tmp_path: Path) -> ProgramHealth:
    health = ProgramHealth(clock)
    health.folder = tmp_path
    return health


@pytest.fixture
def child(clock: Clock, tmp_path: Path) -> Iterator[Child]:
    """A program that is ready and then does nothing."""
    (tmp_path / "beats_once.py").write_text(BEATS_ONCE)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, MULTIPROCESS_FOLDER_VARIABLE: str(tmp_path)}
    child = Child("worker", ["beats_once"], environment, has_report=True, clock=clock)
    yield child
    child.stop(60.0)


def test_a_child_is_ready_after_its_first_beat_and_not_live_when_it_falls_silent(
    child: Child, health: ProgramHealth, clock: Clock
) -> None:
    health.add_child(child, takes_work=True)
    assert health.why_not_live() == ""
    wait_until(lambda: health.why_not_ready() == "")
    clock.ahead = PATIENCE_SECONDS + 30.0
    assert health.why_not_live() == "worker: does not respond"
    assert health.why_not_ready() == "worker: does not respond"


def test_a_child_that_ended_is_restarted_and_so_live_and_not_ready(
    child: Child, health: ProgramHealth
) -> None:
    health.add_child(child, takes_work=True)
    wait_until(lambda: health.why_not_ready() == "")
    psutil.Process(child.process_id).kill()
    wait_until(lambda: not child.is_running())
    assert health.why_not_live() == ""
    assert health.why_not_ready() == "starting"


def test_a_child_that_never_beats_is_starting_for_a_while(
    child: Child, health: ProgramHealth, clock: Clock, tmp_path: Path
) -> None:
    health.folder = tmp_path / "elsewhere"
    health.add_child(child, takes_work=True)
    assert (health.why_not_live(), health.why_not_ready()) == ("", "starting")
    clock.ahead = PATIENCE_SECONDS + 1.0
    assert health.why_not_live() == "worker: does not respond"


def test_a_program_that_stops_is_live_and_not_ready(health: ProgramHealth) -> None:
    health.add("server", lambda: Condition.READY)
    assert (health.why_not_live(), health.why_not_ready()) == ("", "")
    health.begin_to_stop()
    assert (health.why_not_live(), health.why_not_ready()) == ("", "stopping")


@pytest.mark.parametrize(
    ("conditions", "not_live", "not_ready"),
    [
        ([], "", "starting"),
        ([Condition.STARTING, Condition.READY], "", ""),
        ([Condition.READY, Condition.FAILING], "1: a thread keeps failing", "1: a thread keeps"),
        ([Condition.WITHOUT_CACHE], "", "0: cannot reach the cache"),
        ([Condition.READY, Condition.STOPPING], "", "1: stopping"),
        ([Condition.SILENT, Condition.READY], "0: does not respond", "0: does not respond"),
    ],
)
def test_a_program_is_ready_when_a_part_is_and_none_is_at_fault(
    health: ProgramHealth, conditions: list[Condition], not_live: str, not_ready: str
) -> None:
    for number, condition in enumerate(conditions):
        health.add(str(number), lambda condition=condition: condition)  # type: ignore[misc] # a default binds it
    assert health.why_not_live() == not_live
    assert health.why_not_ready().startswith(not_ready)
    assert bool(health.why_not_ready()) is bool(not_ready)


def test_a_child_that_takes_no_work_has_no_say_in_readiness(
    child: Child, health: ProgramHealth, clock: Clock
) -> None:
    health.add("server", lambda: Condition.READY)
    health.add_child(child, takes_work=False)
    clock.ahead = PATIENCE_SECONDS + 1.0
    assert health.why_not_ready() == ""
