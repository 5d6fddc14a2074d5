"""Real symbol files of up to 250 MB, through every part, against the reference's answers."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon.results import Symbolication, Tier
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program, StartProgram, wait_until
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
DICTIONARIES = 3
"""Of the five modules the three large ones have a page dictionary."""

EACH = 10
"""Every so-many-th of the reference's answers is asked for in one call."""


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


@needs_answers
def test_five_modules_are_answered_as_the_reference_does_and_ingested_once(
    redis_pair: RedisPair, start: StartProgram, tmp_path: Path
) -> None:
    settings = redis_pair.settings() | LONG | {"suppliers": str(files_folder())}
    modules = real_modules()
    names = sorted(map(str, modules))
    starts = {module_id: first_function(module_id) for module_id in modules}
    asked = [(module_id, offset) for module_id, (offset, _) in starts.items()]
    expected = [name for _, name in starts.values()]
    worker = start("worker", **settings)

    def serve() -> Client:
        server = start("serve", listen="127.0.0.1:0", **settings)
        return Client(server.await_address(), timeout=300)

    with serve() as client:
        answer = ask(client, asked)
        assert functions(answer) == expected
        for result in answer.modules:
            assert (result.outcome, result.skipped_records) == (ModuleOutcome.FOUND, 0)
        wait_until(lambda: ingests(worker) == names)

        assert functions(ask(client, asked)) == expected
        references = {m: list(reference_answers(m))[::EACH] for m in modules}
        assert sum(map(len, references.values())) >= 4 * 3000 // EACH
        answers = ask_for_all(client, references)
        for module_id, stack in zip(references, answers.stacks, strict=True):
            for reference, frame in zip(references[module_id], stack, strict=True):
                assert reference.agrees_with(frame), (module_id, reference, frame)

    _flush(redis_pair)
    with serve() as client:
        answer = ask(client, asked)
        assert functions(answer) == expected
        assert hits(answer, Tier.SPOOL) == 2 * len(modules) + DICTIONARIES
        assert diagnostics_of(answer).ingests == 0
    assert ingests(worker) == names

    _flush(redis_pair)
    shutil.rmtree(tmp_path / "spool")
    with serve() as client:
        for expected_ingests in (len(modules), 0):
            answer = ask(client, asked)
            assert functions(answer) == expected
            assert diagnostics_of(answer).ingests == expected_ingests
    wait_until(lambda: ingests(worker) == sorted(names * 2))


def _flush(pair: RedisPair) -> None:
    pair.stop("store")
    pair.start("store")
