"""Memory that is ready before it is wanted, in a process whose heap is kept."""

import os
import platform
import re
import subprocess
import sys

import pytest

from tests.app.conftest import ROOT
from tests.app.process.test_malloc import IS_GLIBC

FILLS_AHEAD_SINCE = (5, 14)
"""The first Linux that knows `MADV_POPULATE_WRITE`."""

TAKE_NEW_MEMORY = """
import resource
from symbolon_server.app.process.malloc import keep_freed_memory
keep_freed_memory()
from symbolon_server.app.process.heap_keeper import HeapKeeper
from symbolon_server.app.process.ready_memory import ReadyMemory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def keep_heap(memory_bytes):
    keeper = HeapKeeper(memory_bytes)
    keeper.start()
    keeper.close()

PREPARE
before = faults()
taken = [b"x" * 100_000 for _ in range(100)]
print(faults() - before)
"""


def faults_of_ten_megabytes(prepare: str) -> int:
    """Return how often a process that takes so much waits for the system to fill memory."""
    path = os.pathsep.join([str(ROOT / "client"), str(ROOT / "server")])
    said = subprocess.run(
        [sys.executable, "-c", TAKE_NEW_MEMORY.replace("PREPARE", prepare)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return int(said)


def fills_ahead() -> bool:
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if release is None or platform.system() != "Linux" or not IS_GLIBC:
        return False
    return (int(release[1]), int(release[2])) >= FILLS_AHEAD_SINCE


@pytest.mark.skipif(not fills_ahead(), reason="it takes Linux 5.14 and glibc to fill memory ahead")
@pytest.mark.parametrize(
    "prepare", ["assert ReadyMemory(16 << 20).make_ready()", "keep_heap(128 << 20)"]
)
def test_what_is_ready_needs_not_to_be_filled(prepare: str) -> None:
    assert faults_of_ten_megabytes("") > 2_000
    assert faults_of_ten_megabytes(prepare) < 200
