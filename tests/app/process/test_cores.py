"""The threads of a serving process stay on one core, and nothing else does."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from symbolon_server.app.process.cores import claim_core, may_choose, on_one_core
from tests.app.conftest import PATIENCE_SECONDS, Program, StartProgram

pytestmark = pytest.mark.alone

CORES = sorted(os.sched_getaffinity(0))

needs_cores = pytest.mark.skipif(len(CORES) < 2, reason="there is one core")


def cores_of_threads(process_id: int) -> list[set[int]]:
    """Return the cores that each thread of a process may use, its main thread's first."""
    tasks = sorted(int(task.name) for task in Path(f"/proc/{process_id}/task").iterdir())
    return [os.sched_getaffinity(task) for task in tasks]


def test_threads_started_within_stay_where_they_began() -> None:
    found: list[set[int]] = []
    with on_one_core(len(CORES) - 1):
        inside = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
        inside.start()
        inside.join()
    outside = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
    outside.start()
    outside.join()
    assert found == [{CORES[-1]}, set(CORES)]


CLAIM = f"\0symbolon-test-{os.getpid()}-{{}}"
"""Names of sockets that only this test uses."""


def test_each_process_claims_a_free_core_if_there_is_one() -> None:
    claims = [claim_core(True, CLAIM + "a") for _ in CORES]
    assert sorted(place for place in claims if place is not None) == list(range(len(CORES)))
    assert claim_core(True, CLAIM + "a") in range(len(CORES))  # it is forced to
    assert claim_core(False, CLAIM + "b") is None


@needs_cores
def test_only_cores_that_may_be_used_are_claimed() -> None:
    os.sched_setaffinity(0, CORES[1:])
    try:
        claims = [claim_core(None, CLAIM + "c") for _ in CORES]
    finally:
        os.sched_setaffinity(0, CORES)
    assert sorted(place for place in claims if place is not None) == list(range(len(CORES) - 1))
    assert claims[-1] is None


@pytest.mark.parametrize(
    ("usable", "on_machine", "sees_machine", "may"),
    [(2, 16, False, True), (16, 16, False, False), (16, 16, True, True), (2, 16, True, True)],
    ids=["container with a cpuset", "container without", "no container", "taskset"],
)
def test_a_core_is_chosen_where_that_is_not_blind(
    usable: int, on_machine: int, sees_machine: bool, may: bool
) -> None:
    assert may_choose(usable, on_machine, sees_machine=sees_machine) is may


def test_in_a_container_without_a_cpuset_no_core_is_claimed() -> None:
    script = "from symbolon_server.app.process.cores import claim_core as c; print(c(), c(True))"
    run = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script],
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    if "unshare" in run.stderr:
        pytest.skip(f"no namespaces of its own: {run.stderr.strip()}")
    claimed, told_to = run.stdout.split()
    assert claimed == "None"
    assert told_to != "None"


CLAIM_ALL = """
from symbolon_server.app.process.cores import claim_core

print(*[claim_core() for _ in range({})])
"""


@pytest.fixture
def free_cores() -> set[int]:
    """The cores that no other server on this machine has claimed, such as one of `make run`."""
    command = [sys.executable, "-c", CLAIM_ALL.format(len(CORES))]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    free = {CORES[int(place)] for place in run.stdout.split() if place != "None"}
    if not free:
        pytest.skip("other servers have claimed all cores")
    return free


def core_of(process_id: int) -> int:
    """Return the core that most threads of a process are kept on."""
    (core,) = {core for cores in cores_of_threads(process_id) if len(cores) == 1 for core in cores}
    return core


@needs_cores
def test_servers_on_one_machine_share_no_core(
    serve: StartProgram, free_cores: set[int], tmp_path: Path
) -> None:
    def serve_in(name: str) -> Program:
        program = serve(data_dir=str(tmp_path / name))
        program.await_address()
        return program

    servers = [serve_in(f"data{number}") for number in range(len(free_cores))]
    assert {core_of(server.process.pid) for server in servers} == free_cores
    late = serve_in("late")
    assert all(cores == set(CORES) for cores in cores_of_threads(late.process.pid))
    assert servers[0].end(signal.SIGTERM) == 0
    again = serve_in("again")
    others = {core_of(server.process.pid) for server in servers[1:]}
    assert {core_of(again.process.pid)} == free_cores - others


@needs_cores
def test_the_threads_of_a_server_share_a_core_and_its_children_do_not(serve: StartProgram) -> None:
    program = serve(one_core="true")
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
def test_serving_processes_are_spread_over_the_cores(
    serve: StartProgram, free_cores: set[int]
) -> None:
    program = serve(processes="2", worker="false")
    program.await_address()
    serving = [
        child
        for child in program.below()
        if "symbolon_server.app.programs.server_main" in child.cmdline()
    ]
    kept = [
        {core for of in cores_of_threads(child.pid) if len(of) == 1 for core in of}
        for child in serving
    ]
    assert len(kept) == 2
    assert all(len(cores) <= 1 for cores in kept)
    claimed = [core for cores in kept for core in cores]
    assert set(claimed) <= free_cores
    assert len(claimed) == len(set(claimed)) == min(2, len(free_cores))
    assert program.end(signal.SIGTERM) == 0


@needs_cores
def test_a_server_with_one_core_off_uses_all_cores(serve: StartProgram) -> None:
    program = serve(one_core="false")
    program.await_address()
    assert all(cores == set(CORES) for cores in cores_of_threads(program.process.pid))
    assert program.end(signal.SIGTERM) == 0
