import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from symbolon_server.app.process.children import MOST_OPEN_FILES
from symbolon_server.rpc.calls.addresses import ListenAddress
from tests.app.conftest import StartProgram, wait_until
from tests.app.test_serve_command import functions_of_sample
from tests.fixtures.http2_peer import http2_peer

FEW = 256
"""Descriptors."""

CONNECTIONS = 300


@contextmanager
def limited_to(soft: int) -> Iterator[int]:
    """Give programs that start within the context few descriptors; yield the hard limit."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


@pytest.mark.parametrize(
    ("wanted", "hard", "soft"),
    [(None, 1_000, 1_000), (500, 1_000, 500), (2_000, 1_000, 1_000)],
    ids=["as many as it may", "fewer", "more than it may"],
)
def test_a_process_may_open_as_many_files_as_it_wants_and_may(
    wanted: int | None, hard: int, soft: int
) -> None:
    code = (
        "import resource\n"
        "from symbolon_server.app.process.children import allow_open_files\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (100, {hard}))\n"
        f"allow_open_files({wanted})\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str((soft, hard))


@pytest.mark.promise("Idle connections do not exhaust file descriptors", group="limits")
def test_all_serving_processes_have_as_many_descriptors_as_they_may(serve: StartProgram) -> None:
    with limited_to(FEW) as hard:
        program = serve(processes="2")
        program.await_address()
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MOST_OPEN_FILES, hard)
    serving = [p for p in program.below() if "server_main" in " ".join(p.cmdline())]
    assert len(serving) == 2
    assert {p.rlimit(psutil.RLIMIT_NOFILE) for p in serving} == {(most, hard)}


@pytest.mark.promise("Idle connections do not exhaust file descriptors")
def test_idle_connections_do_not_use_up_the_descriptors(serve: StartProgram) -> None:
    program = serve(open_files=str(FEW), max_connection_idle_seconds="1")
    address = program.await_address()
    host, port = address.rsplit(":", 1)
    with ExitStack() as idle:
        listen = ListenAddress(host, int(port))
        peers = [idle.enter_context(http2_peer(listen)) for _ in range(CONNECTIONS)]
        peers[0].wait_for_close()
        assert functions_of_sample(address)[-1] == "_start"
        wait_until(lambda: psutil.Process(program.process.pid).num_fds() < FEW / 2)
