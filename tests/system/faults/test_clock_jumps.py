"""Servers and workers whose time of day jumps by days while they work."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from symbolon import ModuleOutcome
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.known_modules import KnownModule, Question, known_modules
from tests.system.traffic import Traffic

DAY_SECONDS = 86_400

JUMPING_CLOCK = '''
"""Moves this program's time of day by as many seconds as a file says.

gRPC keeps the kernel's: it compares it with deadlines that its C part has worked out.
"""

import os
import sys
import time

_kernels_time = time.time
_offset = open(os.environ["CLOCK_OFFSET"])


def _time():
    caller = sys._getframe(1).f_globals.get("__name__", "")
    _offset.seek(0)
    return _kernels_time() + (0.0 if caller.startswith("grpc") else float(_offset.read() or 0))


time.time = _time
'''


class JumpingClock:
    """The time of day of all programs of a test."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        (folder / "sitecustomize.py").write_text(JUMPING_CLOCK)
        self._offset = folder / "offset"
        self._offset.write_text("0")
        environment["CLOCK_OFFSET"] = str(self._offset)
        environment["PYTHONPATH"] = f"{folder}{os.pathsep}{environment['PYTHONPATH']}"

    def set(self, days: int) -> str:
        """Set the clock to so many days from now; return the date."""
        self._offset.write_text(str(days * DAY_SECONDS))
        return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture
def clock(tmp_path: Path, environment: dict[str, str]) -> JumpingClock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return JumpingClock(folder, environment)


def put(site: Site, modules: list[KnownModule]) -> Question:
    for module in modules:
        site.supplier.put(module.module_id, module.symbol_file())
    return Question(modules, [[0]] * len(modules))


@pytest.mark.promise("Nothing depends on the time of day, apart from times shown to people")
def test_no_answer_and_no_wait_changes_when_the_time_of_day_jumps(
    clock: JumpingClock, site: Site
) -> None:
    hot = known_modules(range(4))
    put(site, hot)
    worker = site.work()
    target = site.serve(**SMALL_MEMORY).await_address()
    client = site.connect_to(target)
    with Traffic(target, hot) as traffic:
        traffic.take_after(calls=10).check()
        for step, days in enumerate((2, -2, 0)):
            date = clock.set(days)
            cold = put(site, known_modules([100 + step, 200 + step], functions=10))
            answer = client.symbolicate(*cold.request())
            assert cold.wrong_in(answer) == []
            assert {module.outcome for module in answer.modules} == {ModuleOutcome.FOUND}
            assert f"{date}T" in worker.log.splitlines()[-1]
            tally = traffic.take_after(calls=20)
            tally.check()
            assert tally.unanswered == 0
