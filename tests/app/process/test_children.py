import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from symbolon_server.app.process.children import Child
from tests.app.conftest import wait_until
from tests.fixtures.redis_fixtures import FakeClock

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0.0)


@pytest.fixture
def child(clock: FakeClock, tmp_path: Path) -> Iterator[Child]:
    """A program that reports once and ends only when it is killed."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    child = Child("stubborn", ["stubborn"], environment, has_report=True, clock=clock)
    yield child
    child.stop(0.0)


def kill(child: Child) -> None:
    psutil.Process(child.process_id).kill()
    wait_until(lambda: not child.is_running())


def test_a_child_that_runs_is_left_alone(child: Child) -> None:
    assert child.wait_until_ready()
    before = child.process_id
    assert child.revive() is None
    assert child.process_id == before


def test_a_child_that_lived_long_is_started_again_at_once(child: Child, clock: FakeClock) -> None:
    assert child.wait_until_ready()
    before = child.process_id
    clock.now = 100.0
    kill(child)
    assert child.revive() is None
    assert child.process_id != before
    assert child.wait_until_ready()


def test_a_child_that_ended_soon_is_started_again_after_a_pause(
    child: Child, clock: FakeClock
) -> None:
    before = child.process_id
    kill(child)
    clock.now = 0.5
    assert child.revive() == pytest.approx(0.5)
    clock.now = 0.75
    assert child.revive() == pytest.approx(0.25)
    assert child.process_id == before
    clock.now = 1.0
    assert child.revive() is None
    assert child.process_id != before


def test_a_child_that_ignores_sigterm_is_killed(child: Child) -> None:
    assert child.wait_until_ready()
    child.stop(0.0)
    assert not psutil.pid_exists(child.process_id) or sys.platform != "linux"


def test_a_child_that_ends_without_a_report_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text("")
    child = Child("silent", ["silent"], {"PYTHONPATH": str(tmp_path)}, has_report=True)
    assert not child.wait_until_ready()
    child.stop(0.0)
