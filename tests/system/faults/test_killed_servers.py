"""Serving processes that are killed under load."""

import signal
import time
from functools import partial

import pytest

from tests.app.conftest import Program, wait_until
from tests.system.conftest import Site
from tests.system.known_modules import KnownModule, known_modules
from tests.system.processes import all_listen, serving_processes
from tests.system.traffic import Traffic

pytestmark = pytest.mark.alone

RESTART_SECONDS = 2.0


@pytest.fixture
def modules(site: Site) -> list[KnownModule]:
    modules = known_modules(range(4))
    for module in modules:
        site.supplier.put(module.module_id, module.symbol_file())
    site.work()
    return modules


def pids(program: Program) -> set[int]:
    return {process.pid for process in serving_processes(program)}


def is_replaced(program: Program, victim: int) -> bool:
    return victim not in pids(program) and len(pids(program)) == 3


@pytest.mark.promise("A killed serving process fails no retried call; within 2 s it is replaced")
def test_a_serving_process_killed_under_load_fails_no_call_and_is_replaced_within_seconds(
    site: Site, modules: list[KnownModule]
) -> None:
    program = site.serve(processes="3")
    with Traffic(program.await_address(), modules, callers=6) as traffic:
        traffic.take_after(calls=20).check()
        for victim in serving_processes(program)[:2]:
            start = time.monotonic()
            victim.kill()
            wait_until(partial(is_replaced, program, victim.pid))
            assert time.monotonic() - start < RESTART_SECONDS
            traffic.take_after(calls=20).check()
        wait_until(lambda: all_listen(program, 3))
        traffic.take_after(calls=20).check()
    assert program.end(signal.SIGTERM) == 0
    assert program.left_behind() == []
