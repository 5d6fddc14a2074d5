"""Tests that run beside each other leave those alone that want to be."""

import fcntl
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.app.conftest import wait_until
from tests.fixtures.turns import Turns

AUTOGROUP = Path("/proc/self/autogroup")
GIVE_WAY = f"""
import os
from tests.fixtures.install_all import give_way
give_way()
print(os.nice(0), open("{AUTOGROUP}").read())
"""


def is_somebody_in(place: Path) -> bool:
    with place.open("r+") as opened, suppress(BlockingIOError):
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    return True


def test_turns_beside_others_are_taken_at_once(tmp_path: Path) -> None:
    with Turns(tmp_path).take(alone=False), Turns(tmp_path).take(alone=False):
        assert is_somebody_in(tmp_path / "room")
        assert not is_somebody_in(tmp_path / "door")
    assert not is_somebody_in(tmp_path / "room")


def test_who_wants_to_be_alone_waits_for_others_and_keeps_them_out(tmp_path: Path) -> None:
    order: list[str] = []

    def take(name: str, *, alone: bool) -> threading.Thread:
        def in_turn() -> None:
            with turns.take(alone=alone):
                order.append(name)

        turns = Turns(tmp_path)
        thread = threading.Thread(target=in_turn)
        thread.start()
        return thread

    with Turns(tmp_path).take(alone=False):
        alone = take("alone", alone=True)
        wait_until(lambda: is_somebody_in(tmp_path / "door"))
        late = take("late", alone=False)
        order.append("first")
    alone.join()
    late.join()
    assert order == ["first", "alone", "late"]


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="the kernel does not group processes by session")
def test_what_installs_in_a_session_of_its_own_gives_way_to_all_tests() -> None:
    command = [sys.executable, "-c", GIVE_WAY]
    said = subprocess.run(command, start_new_session=True, capture_output=True, check=True)
    nice, _group, _, group_nice = said.stdout.split()
    assert (nice, group_nice) == (b"19", b"19")
