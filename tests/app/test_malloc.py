"""Memory that calls have freed: who keeps it, and when it is given back."""

import ctypes
import os
import re
import subprocess
import sys

import pytest

from symbolon_server.app.malloc import FreedMemory, GivingTimes
from tests.app.conftest import ROOT

IS_GLIBC = hasattr(ctypes.CDLL(None), "malloc_info")

WHERE_THREADS_FIND_MEMORY = """
import ctypes
import sys
import threading

import symbolon_server.__main__
from symbolon_server.app.malloc import keep_freed_memory

keep_freed_memory()
import symbolon_server.app.serving

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


def looks(*seconds: float) -> list[bool]:
    """Return whether memory is given back at each look, of a process that was busy so long each."""
    times = GivingTimes()
    so_far = 0.0
    found = []
    for used in seconds:
        so_far += used
        found.append(times.is_due(so_far))
    return found


def test_what_was_freed_is_given_back_when_the_load_has_ended() -> None:
    assert looks(0.9, 0.9, 0.2, 0.001) == [False, False, True, False]


def test_a_call_now_and_then_is_followed_by_giving_back() -> None:
    assert looks(0.03, 0.0, 0.0, 0.05) == [True, False, False, True]


def test_a_server_that_does_next_to_nothing_seldom_gives_anything_back() -> None:
    assert looks(*[0.002] * 100).count(True) <= 100 * 0.002 / 0.02


def test_during_a_load_it_is_seldom_given_back() -> None:
    assert looks(*[1.0] * 25) == [(number + 1) % 10 == 0 for number in range(25)]


def test_watching_ends_when_it_is_told_to() -> None:
    freed_memory = FreedMemory()
    freed_memory.start()
    freed_memory.close()
