"""How much memory a large symbol file takes, in the worker and in the server."""

import os
import signal

import psutil
import pytest

from symbolon import Client
from tests.app.conftest import Program
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions
from tests.system.real_files import files_folder, first_function, needs_files, real_module

MEGABYTE = 1 << 20
WORKER_BYTES = 600 * MEGABYTE
LEAST_BYTES = 150 * MEGABYTE
GROWTH_BYTES = 50 * MEGABYTE


def peak_bytes(worker: Program) -> int:
    """End a worker and return the most memory that it, or a fork of it, ever had resident."""
    worker.process.send_signal(signal.SIGTERM)
    _, status, usage = os.wait4(worker.process.pid, 0)
    worker.process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * 1024


@needs_files
@pytest.mark.timeout(300)
def test_a_symbol_file_of_119_mb_fits_into_600_mb_and_leaves_the_server_alone(site: Site) -> None:
    small = numbered_module(1)
    site.supplier.put(small, symbol_file(small, 1000))
    large = real_module("ceph-mon")
    offset, function = first_function(large)
    path = site.supplier.folder / large.debug_file
    path.symlink_to(files_folder() / large.debug_file)
    worker = site.work()
    server = site.serve(max_wait_seconds="300")
    with Client(server.await_address(), timeout=300) as client:
        assert functions(ask(client, [(small, 0)])) == ["function_0"]
        before = psutil.Process(server.process.pid).memory_info().rss
        assert functions(ask(client, [(large, offset)])) == [function]
        grown = psutil.Process(server.process.pid).memory_info().rss - before
    peak = peak_bytes(worker)
    assert peak < WORKER_BYTES
    assert peak > LEAST_BYTES, "this is not the fork that read the file"
    assert grown < GROWTH_BYTES
