"""Threads are started only where there is room for them."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
from symbolon_server.symbols.ground.threads import start_threads

pages, *_ = map(int, Path("/proc/self/statm").read_text().split())
limit = pages * resource.getpagesize() + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    with start_threads(1, "test") as pool:
        print(pool.submit(sum, [1, 2]).result())
except MemoryError:
    print("no room")
"""

SECONDS = 60.0
"""For a start; without the check, one that has no room may block forever."""


@pytest.mark.parametrize(("megabytes", "said"), [(256, "3\n"), (16, "no room\n")])
def test_a_thread_is_started_only_if_there_is_room_for_it(megabytes: int, said: str) -> None:
    program = [sys.executable, "-c", PROGRAM, str(megabytes)]
    done = subprocess.run(program, capture_output=True, check=True, text=True, timeout=SECONDS)
    assert done.stdout == said
