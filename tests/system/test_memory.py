"""How much memory a large symbol file takes, in the worker and in the server."""

import signal

import psutil
import pytest

from symbolon import Client
from symbolon_server.symbols.module_ids import ModuleId
from tests.app.conftest import Program
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions
from tests.system.real_files import files_folder, first_function, needs_files, real_module

MEGABYTE = 1 << 20
WORKER_BYTES = 600 * MEGABYTE
LEAST_BYTES = 150 * MEGABYTE
GROWTH_BYTES = 50 * MEGABYTE


def peak_bytes(worker: Program, module_id: ModuleId) -> int:
    """Return the most memory that the fork which ingested a module had resident, from the log.

    What the kernel says of the worker itself would begin with the size of these tests, which
    started it.
    """
    (ended,) = [
        line
        for line in worker.log.splitlines()
        if "ingest_ended" in line and f"module={module_id}" in line
    ]
    return int(ended.split("peak_mb=")[1].split()[0]) * 1_000_000


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
    assert worker.end(signal.SIGTERM) == 0
    peak = peak_bytes(worker, large)
    assert peak < WORKER_BYTES
    assert peak > LEAST_BYTES, "this is not the fork that read the file"
    assert grown < GROWTH_BYTES
