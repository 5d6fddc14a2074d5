"""The threads of a serving process stay on one core, and nothing else does."""

import os
import signal
import threading
from pathlib import Path

import pytest

from symbolon_server.app.cores import on_one_core
from tests.app.conftest import StartProgram

pytestmark = pytest.mark.alone

CORES = sorted(os.sched_getaffinity(0))

needs_cores = pytest.mark.skipif(len(CORES) < 2, reason="there is one core")


def cores_of_threads(process_id: int) -> list[set[int]]:
    """Return the cores that each thread of a process may use, its main thread's first."""
    tasks = sorted(int(task.name) for task in Path(f"/proc/{process_id}/task").iterdir())
    return [os.sched_getaffinity(task) for task in tasks]


def test_threads_started_within_stay_where_they_began() -> None:
    found: list[set[int]] = []
    with on_one_core(1):
        inside = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
        inside.start()
        inside.join()
    outside = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
    outside.start()
    outside.join()
    assert found == [{CORES[1 % len(CORES)]}, set(CORES)]


@needs_cores
def test_the_threads_of_a_server_share_a_core_and_its_children_do_not(serve: StartProgram) -> None:
    program = serve()
    program.await_address()
    main, *others = cores_of_threads(program.process.pid)
    assert main == set(CORES)
    assert sum(len(cores) == 1 for cores in others) >= len(others) // 2
    assert len({frozenset(cores) for cores in others if len(cores) == 1}) == 1
    children = [cores_of_threads(child.pid)[0] for child in program.below()]
    assert children
    assert all(cores == set(CORES) for cores in children)
    assert program.end(signal.SIGTERM) == 0


@needs_cores
def test_serving_processes_are_spread_over_the_cores(serve: StartProgram) -> None:
    program = serve(processes="2", worker="false")
    program.await_address()
    serving = [
        child
        for child in program.below()
        if "symbolon_server.app.serving_program" in child.cmdline()
    ]
    cores = [
        {frozenset(of) for of in cores_of_threads(child.pid) if len(of) == 1} for child in serving
    ]
    assert [len(of) for of in cores] == [1, 1]
    assert cores[0] != cores[1]
    assert program.end(signal.SIGTERM) == 0


@needs_cores
def test_a_server_that_is_told_so_uses_all_cores(serve: StartProgram) -> None:
    program = serve(one_core="false")
    program.await_address()
    assert all(cores == set(CORES) for cores in cores_of_threads(program.process.pid))
    assert program.end(signal.SIGTERM) == 0
