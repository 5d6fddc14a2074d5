"""Memory that is ready before it is wanted, in a process whose heap is kept."""

import os
import subprocess
import sys

import pytest

from tests.app.conftest import ROOT
from tests.app.test_malloc import IS_GLIBC

TAKE_NEW_MEMORY = """
import resource
import sys
from symbolon_server.app.malloc import keep_freed_memory
keep_freed_memory()
from symbolon_server.app.ready_memory import ReadyMemory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

is_ready = ReadyMemory(int(sys.argv[1])).make_ready()
before = faults()
taken = [b"x" * 100_000 for _ in range(100)]
print(is_ready, faults() - before)
"""


def faults_of_ten_megabytes(ready_bytes: int) -> int:
    """Return how often a process that takes so much waits for the system to fill memory."""
    path = os.pathsep.join([str(ROOT / "client"), str(ROOT / "server")])
    said = subprocess.run(
        [sys.executable, "-c", TAKE_NEW_MEMORY, str(ready_bytes)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    is_ready, faults = said.split()
    if is_ready != "True":
        pytest.skip("the system cannot fill memory ahead: it is older than Linux 5.14")
    return int(faults)


@pytest.mark.skipif(not IS_GLIBC, reason="the C library is another one than glibc")
def test_what_is_ready_needs_not_to_be_filled() -> None:
    assert faults_of_ten_megabytes(0) > 2_000
    assert faults_of_ten_megabytes(16 << 20) < 200
