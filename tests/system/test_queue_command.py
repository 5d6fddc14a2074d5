"""`symbolon queue` asks a real server what waits and what a real worker does."""

import json
import subprocess
import sys
from typing import Any

from symbolon import Frame, Module
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS, Program, wait_until
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending
from tests.ingest.symbol_files import numbered_module
from tests.system.conftest import Site


def queue_of(target: str, *flags: str) -> str:
    """Return what the command prints."""
    command = [sys.executable, "-m", "symbolon", "queue", f"--target={target}", *flags]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    ).stdout


def running_of(target: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(queue_of(target, "--json"))["running"]
    return found


def question_of(module_id: ModuleId) -> tuple[list[Module], list[list[Frame]]]:
    return [Module(module_id.debug_file, module_id.debug_id)], [[Frame(0, 0)]]


def process_id_of(worker: str) -> int:
    return int(worker.rpartition(":")[2])


def test_it_tells_what_waits_and_which_worker_has_which_module(site: Site) -> None:
    server, worker = site.serve(), site.work()
    target = server.await_address()
    client = site.connect_to(target)
    site.supplier.answer(ALL_PATHS, Answer(b"MODULE ", ending=Ending.STALLED_MIDWAY))
    first, *others = [numbered_module(number) for number in range(4)]
    client.symbolicate(*question_of(first), max_wait=0)
    wait_until(lambda: bool(running_of(target)))
    for module_id in others:
        client.symbolicate(*question_of(module_id), max_wait=0)
    lines = queue_of(target).splitlines()
    assert lines[0].startswith("in line: 0 awaited, 3 wanted, 0 prefetches; the longest wait is ")
    assert lines[1].split() == ["module", "worker", "seconds", "attempts", "caller"]
    assert lines[2].split()[0] == str(first)
    assert lines[3] == "1 of 1 running ingests"
    [running] = running_of(target)
    assert running["attempts"] == 1
    assert process_id_of(running["worker"]) in processes_of(worker)
    site.supplier.release()
    wait_until(lambda: queue_of(target).startswith("in line: 0 awaited, 0 wanted, 0 prefetches\n"))


def processes_of(program: Program) -> set[int]:
    return {program.process.pid, *(process.pid for process in program.below())}
