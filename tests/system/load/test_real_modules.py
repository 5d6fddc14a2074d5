"""Real symbol files of up to 119 MB, through every part, against the reference's answers, and the
memory that the largest takes; `make soak` has one of 253 MB as well.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon.results import Symbolication, Tier
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program, StartProgram, wait_until
from tests.fixtures.symbol_server import SymbolServer
from tests.system.conftest import RedisPair, ask, diagnostics_of, functions, hits
from tests.system.load.real_files import (
    ReferenceAnswer,
    files_folder,
    first_function,
    needs_answers,
    needs_files,
    real_modules,
    reference_answers,
)

pytestmark = [needs_files, pytest.mark.timeout(400)]

LONG = {"max_wait_seconds": "300"}
MEGABYTE = 1 << 20
LARGE = "ceph-mon"
"""A file of 119 MB, which comes by HTTP."""

WORKER_BYTES = 600 * MEGABYTE
LEAST_BYTES = 150 * MEGABYTE
GROWTH_BYTES = 50 * MEGABYTE
SMALL = {"libc.so.6", "libstdc++.so.6"}
"""Those that are ingested in a second, and ingested again; the others have a page dictionary."""

UNANSWERED = {"ceph-osd"}
"""A file of 253 MB of which the reference was asked nothing."""


def ask_for_all(
    client: Client, answers: Mapping[ModuleId, Sequence[ReferenceAnswer]]
) -> Symbolication:
    """Ask for all offsets of `answers`, one stack for each module."""
    modules = [Module(module_id.debug_file, module_id.debug_id) for module_id in answers]
    stacks = [
        [Frame(index, answer.offset) for answer in asked]
        for index, asked in enumerate(answers.values())
    ]
    return client.symbolicate(modules, stacks)


def ingests(worker: Program) -> list[str]:
    """Return the modules that a worker has ingested, from its log."""
    ended = [line for line in worker.log.splitlines() if "ingest_ended" in line]
    return sorted(line.split("module=")[1].split()[0] for line in ended if "ingested" in line)


def peak_bytes(worker: Program, debug_file: str) -> int:
    """Return the most memory that the fork which ingested a file had resident, from the log.

    What the kernel says of the worker itself would begin with the size of these tests, which
    started it.
    """
    (ended,) = [
        line
        for line in worker.log.splitlines()
        if "ingest_ended" in line and f"module={debug_file}/" in line
    ]
    return int(ended.split("peak_mb=")[1].split()[0]) * 1_000_000


def resident_bytes(server: Program) -> int:
    resident: int = psutil.Process(server.process.pid).memory_info().rss
    return resident


@needs_answers
@pytest.mark.parametrize(
    "without",
    [
        pytest.param(UNANSWERED, id="those with answers"),
        pytest.param(set[str](), id="all", marks=pytest.mark.soak),
    ],
)
def test_real_modules_are_answered_as_the_reference_does_and_ingested_once(
    redis_pair: RedisPair,
    start: StartProgram,
    symbol_server: SymbolServer,
    tmp_path: Path,
    without: set[str],
) -> None:
    symbol_server.folder.mkdir()
    symbol_server.folder.joinpath(LARGE).symlink_to(files_folder() / LARGE)
    suppliers = f"{symbol_server.url},{files_folder()}"
    settings = redis_pair.settings() | LONG | {"suppliers": suppliers}
    modules = [module_id for module_id in real_modules() if module_id.debug_file not in without]
    names = sorted(map(str, modules))
    starts = {module_id: first_function(module_id) for module_id in modules}
    asked = [(module_id, offset) for module_id, (offset, _) in starts.items()]
    expected = [name for _, name in starts.values()]
    small = [(module_id, offset) for module_id, offset in asked if module_id.debug_file in SMALL]
    expected_small = [starts[module_id][1] for module_id, _ in small]
    worker = start("worker", **settings)

    def serve() -> tuple[Program, Client]:
        server = start("serve", listen="127.0.0.1:0", **settings)
        return server, Client(server.await_address(), timeout=300)

    server, client = serve()
    with client:
        assert functions(ask(client, small)) == expected_small
        before = resident_bytes(server)
        answer = ask(client, asked)
        assert resident_bytes(server) - before < GROWTH_BYTES
        assert functions(answer) == expected
        for result in answer.modules:
            assert (result.outcome, result.skipped_records) == (ModuleOutcome.FOUND, 0)
        wait_until(lambda: ingests(worker) == names)

        assert functions(ask(client, asked)) == expected
        references = {module_id: list(reference_answers(module_id)) for module_id in modules}
        assert sum(map(len, references.values())) >= 4 * 3000
        answers = ask_for_all(client, references)
        for module_id, stack in zip(references, answers.stacks, strict=True):
            for reference, frame in zip(references[module_id], stack, strict=True):
                assert reference.agrees_with(frame), (module_id, reference, frame)

    _flush(redis_pair)
    with serve()[1] as client:
        answer = ask(client, asked)
        assert functions(answer) == expected
        dictionaries = len(modules) - len(SMALL)
        assert hits(answer, Tier.SPOOL) == 2 * len(modules) + dictionaries
        assert diagnostics_of(answer).ingests == 0
    assert ingests(worker) == names

    _flush(redis_pair)
    shutil.rmtree(tmp_path / "spool")
    with serve()[1] as client:
        for expected_ingests in (len(SMALL), 0):
            answer = ask(client, small)
            assert functions(answer) == expected_small
            assert diagnostics_of(answer).ingests == expected_ingests
    wait_until(lambda: ingests(worker) == sorted([*names, *(str(m) for m, _ in small)]))
    assert peak_bytes(worker, LARGE) < WORKER_BYTES
    assert peak_bytes(worker, LARGE) > LEAST_BYTES, "this is not the fork that read the file"


def _flush(pair: RedisPair) -> None:
    pair.stop("store")
    pair.start("store")
