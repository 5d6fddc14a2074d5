"""The threads of a serving process stay on one core, and nothing else does."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from symbolon_server.app.process.cores import claim_core, may_choose, on_one_core
from tests.app.conftest import PATIENCE_SECONDS, Program, StartProgram
from tests.system.processes import serving_processes

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


OWN_CLAIMS = """
from symbolon_server.app.process.cores import claim_core

claim_core.__defaults__ = (None, "\\0" + {!r})
"""
"""Lets the programs of a test claim cores under names that no other server of this machine uses."""


@pytest.fixture
def two_cores(
    environment: dict[str, str], tmp_path: Path, redis_store_url: str, redis_cache_url: str
) -> Iterator[set[int]]:
    """Two cores, which the programs of a test have to themselves as far as claims go."""
    (tmp_path / "sitecustomize.py").write_text(OWN_CLAIMS.format(f"{tmp_path}-{{}}"))
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    environment["SYMBOLON_STORE_URL"] = redis_store_url
    environment["SYMBOLON_CACHE_URL"] = redis_cache_url
    os.sched_setaffinity(0, CORES[:2])
    try:
        if claim_core(None, f"\0{tmp_path}-may-{{}}") is None:
            pytest.skip("this container has no cpuset")
        yield set(CORES[:2])
    finally:
        os.sched_setaffinity(0, CORES)


def core_of(program: Program) -> int:
    """Return the core that most threads of a server are kept on."""
    threads = cores_of_threads(program.process.pid)
    (core,) = {core for cores in threads if len(cores) == 1 for core in cores}
    return core


@needs_cores
def test_servers_on_one_machine_share_no_core(serve: StartProgram, two_cores: set[int]) -> None:
    servers = [serve() for _ in two_cores]
    for server in servers:
        server.await_address()
    assert {core_of(server) for server in servers} == two_cores
    late = serve()
    late.await_address()
    assert all(cores == two_cores for cores in cores_of_threads(late.process.pid))
    assert servers[0].end(signal.SIGTERM) == 0
    again = serve()
    again.await_address()
    assert {core_of(again), core_of(servers[1])} == two_cores


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
    serve: StartProgram, two_cores: set[int]
) -> None:
    program = serve(processes="2")
    program.await_address()
    kept = [
        {core for of in cores_of_threads(child.pid) if len(of) == 1 for core in of}
        for child in serving_processes(program)
    ]
    assert sorted(map(sorted, kept)) == [[core] for core in sorted(two_cores)]
    assert program.end(signal.SIGTERM) == 0


@needs_cores
def test_a_server_with_one_core_off_uses_all_cores(
    serve: StartProgram, two_cores: set[int]
) -> None:
    program = serve(one_core="false")
    program.await_address()
    assert all(cores == two_cores for cores in cores_of_threads(program.process.pid))
    assert program.end(signal.SIGTERM) == 0
