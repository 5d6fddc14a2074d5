"""Memory that calls have freed: who keeps it."""

import ctypes
import os
import re
import subprocess
import sys

import pytest

from tests.app.conftest import ROOT

IS_GLIBC = hasattr(ctypes.CDLL(None), "malloc_info")

WHERE_THREADS_FIND_MEMORY = """
import ctypes
import sys
import threading

import symbolon_server.__main__
from symbolon_server.app.process.heap import keep_freed_memory

keep_freed_memory()
import symbolon_server.app.programs.server_process

gate = threading.Barrier(9)
def take():
    taken = [bytes(size) for size in (10_000, 100_000, 10_000_000)]
    gate.wait()
    gate.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
gate.wait()
c = ctypes.CDLL(None)
c.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(c.fdopen(1, b"w"))
c.malloc_info(0, out)
c.fflush(out)
gate.wait()
"""


@pytest.mark.skipif(not IS_GLIBC, reason="the C library is another one than glibc")
def test_all_threads_of_a_server_share_one_heap_which_holds_large_pieces_too() -> None:
    path = os.pathsep.join([str(ROOT / "client"), str(ROOT / "server")])
    said = subprocess.run(
        [sys.executable, "-c", WHERE_THREADS_FIND_MEMORY],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert said.count("<heap nr=") == 1
    (in_it,) = re.findall(r'^<system type="current" size="([0-9]+)"/>$', said, re.MULTILINE)[:1]
    assert int(in_it) > 8 * 10_000_000
