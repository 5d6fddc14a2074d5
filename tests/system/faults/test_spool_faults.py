"""Disks that are full, and files in the spool that nobody can read, while calls need them."""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from symbolon import ModuleOutcome
from tests.app.conftest import Program, wait_until
from tests.app.test_serve_command import free_port, scrape
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.faults.spool_harms import spoil
from tests.system.known_modules import Question, known_modules
from tests.system.traffic import Traffic

SMALL_DISK_BYTES = 64 << 10
SMALL_FILE_BYTES = 8 << 10
"""Less than a page file, more than a log."""

STEPS = 15
MODULES = known_modules(range(12), functions=4_000)
QUESTION = Question(MODULES, [[0, 32]] * len(MODULES))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk that is soon full; None where this user may mount none."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={SMALL_DISK_BYTES}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "symbolon-test", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def put_all(site: Site) -> None:
    for module in MODULES:
        site.supplier.put(module.module_id, module.symbol_file())


def skips(port: int, reason: str) -> float:
    """Return how many page files were skipped for a reason, as the metrics tell."""
    name = f'symbolon_spool_skips_total{{reason="{reason}"}} '
    return sum(float(line.removeprefix(name)) for line in scrape(port) if line.startswith(name))


def limit_files(worker: Program) -> None:
    """Let a worker write no larger files, as on a disk that is full; it has made its own before."""
    wait_until(lambda: "worker_ready" in worker.log)
    for process in worker.below():
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SMALL_FILE_BYTES,) * 2)


@pytest.mark.promise("A full or forbidden disk costs the spool only, and one line in the log")
def test_a_full_disk_costs_the_spool_only_and_is_told_once(
    site: Site, small_disk: Path | None
) -> None:
    put_all(site)
    port = free_port()
    spool = small_disk or site.spool
    worker = site.work(spool_dir=str(spool), metrics_listen=f"127.0.0.1:{port}")
    client = site.new_client(spool_dir=str(spool))
    if small_disk is None:
        limit_files(worker)
    answer = client.symbolicate(*QUESTION.request())
    assert QUESTION.wrong_in(answer) == []
    assert {module.outcome for module in answer.modules} == {ModuleOutcome.FOUND}
    assert skips(port, "no_space") > 1
    assert worker.log.count("spool skipped (no_space)") == 1
    sizes = [path.stat().st_size for path in spool.rglob("*") if path.is_file()]
    assert sum(sizes) <= SMALL_DISK_BYTES


@pytest.mark.promise("Damaged page files change no answer")
def test_a_spool_that_is_spoilt_under_load_changes_no_answer(site: Site) -> None:
    """The store is emptied all the time, so that everything comes from the spool."""
    put_all(site)
    random = Random("spool")
    site.work()
    server = site.serve(**SMALL_MEMORY)
    with Traffic(server.await_address(), MODULES, timeout=30.0) as traffic:
        traffic.take_after(calls=10).check()
        for _ in range(STEPS):
            site.store.flushall()
            spoil(site.spool, random)
            traffic.wait_for(seconds=0.1)
        traffic.take_after(calls=20).check()
    assert "spool skipped (damaged)" in server.log
