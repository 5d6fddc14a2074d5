"""From a supplier to an answer, and what serves it again when parts of it are lost."""

import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome, Report
from symbolon.command_line.arguments import main
from symbolon.results import Tier
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, diagnostics_of, functions, hits

MANY = 8_000
LAST = (MANY - 1) * 32

NEW_MODULES = map(numbered_module, count(1))
"""Modules that no other test has asked for."""


SAMPLE = Path("tests/data/sample").resolve()
ORCHARD = Module(
    "orchard.debug",
    "C3D8E3C7B6594DF1DFCA907993B477250",
    code_id="c7e3d8c359b6f14ddfca907993b47725c1d27eef",
)


@pytest.fixture(scope="module")
def worker(shared_site: Site) -> Program:
    native = f"{SAMPLE}/debug/.build-id#layout=native"
    return shared_site.work(suppliers=f"{shared_site.supplier.url}, {native}")


@pytest.fixture(scope="module")
def address(shared_site: Site, worker: Program) -> str:
    """The address of a server on the worker's host, whose spool they share."""
    return shared_site.serve().await_address()


@pytest.fixture(scope="module")
def client(shared_site: Site, address: str) -> Client:
    return shared_site.connect_to(address)


@pytest.fixture(scope="module")
def neighbour(shared_site: Site, worker: Program) -> Client:
    """A client of another server on that host."""
    return shared_site.new_client()


@pytest.fixture(scope="module")
def elsewhere(shared_site: Site, worker: Program) -> Client:
    """A client of a server on another host."""
    return shared_site.new_client(spool_bytes="0")


@dataclass(frozen=True, slots=True)
class Crash:
    """Five modules of several pages, which one server has answered the first page of."""

    site: Site
    modules: Sequence[ModuleId]
    gets_before: Counter[str]

    @property
    def first_frames(self) -> list[tuple[ModuleId, int]]:
        return [(module_id, 0) for module_id in self.modules]

    @property
    def last_frames(self) -> list[tuple[ModuleId, int]]:
        return [(module_id, LAST) for module_id in self.modules]

    def check_gets(self, times: int) -> None:
        """Every module was fetched so often from the supplier, and nothing else was."""
        expected = {self.site.supplier.path_of(module_id): times for module_id in self.modules}
        assert self.site.supplier.counts() - self.gets_before == expected


@pytest.fixture
def crash(shared_site: Site, client: Client) -> Crash:
    """New modules, of which only the server of `client` knows."""
    crash = Crash(shared_site, list(islice(NEW_MODULES, 5)), shared_site.supplier.counts())
    for module_id in crash.modules:
        shared_site.supplier.put(module_id, symbol_file(module_id, MANY))
    answer = ask(client, crash.first_frames)
    assert functions(answer) == ["function_0"] * 5
    assert {result.outcome for result in answer.modules} == {ModuleOutcome.FOUND}
    assert diagnostics_of(answer).ingests == 5
    return crash


def test_a_second_call_makes_no_request_and_no_ingest(crash: Crash, client: Client) -> None:
    answer = ask(client, crash.first_frames)
    assert functions(answer) == ["function_0"] * 5
    assert diagnostics_of(answer).ingests == 0
    crash.check_gets(times=1)


def test_another_server_answers_from_the_store(crash: Crash, elsewhere: Client) -> None:
    answer = ask(elsewhere, crash.last_frames)
    assert functions(answer) == [f"function_{MANY - 1}"] * 5
    assert hits(answer, Tier.STORE) == 10
    assert diagnostics_of(answer).ingests == 0
    crash.check_gets(times=1)


def test_after_the_store_was_emptied_the_spool_answers(
    crash: Crash, client: Client, neighbour: Client
) -> None:
    crash.site.store.flushall()
    for asked, expected in ((crash.first_frames, 0), (crash.last_frames, MANY - 1)):
        assert functions(ask(client, asked)) == [f"function_{expected}"] * 5
    answer = ask(neighbour, crash.first_frames)
    assert functions(answer) == ["function_0"] * 5
    assert hits(answer, Tier.SPOOL) > 0
    assert diagnostics_of(answer).ingests == 0
    crash.check_gets(times=1)


def test_after_the_spool_was_emptied_too_each_module_is_ingested_once_more(
    crash: Crash, client: Client, neighbour: Client
) -> None:
    crash.site.store.flushall()
    shutil.rmtree(crash.site.spool)
    for expected_ingests in (5, 0):
        answer = ask(neighbour, crash.last_frames)
        assert functions(answer) == [f"function_{MANY - 1}"] * 5
        assert diagnostics_of(answer).ingests == expected_ingests
    crash.check_gets(times=2)
    # The server that held the lost generation goes on with the new one.
    assert functions(ask(client, crash.last_frames[:1])) == [f"function_{MANY - 1}"]
    crash.check_gets(times=2)


def test_a_server_on_another_host_than_the_spool_has_its_pages_from_a_worker(
    crash: Crash, elsewhere: Client
) -> None:
    assert functions(ask(elsewhere, crash.first_frames)) == ["function_0"] * 5
    crash.site.store.flushall()
    answer = ask(elsewhere, crash.last_frames)
    assert functions(answer) == [f"function_{MANY - 1}"] * 5
    assert diagnostics_of(answer).ingests == 5
    crash.check_gets(times=1)


def test_failures_are_shared_by_all_servers(
    shared_site: Site, client: Client, neighbour: Client
) -> None:
    missing, malformed = islice(NEW_MODULES, 2)
    shared_site.supplier.put(malformed, symbol_file(missing))
    before = shared_site.supplier.counts()
    outcomes = [ModuleOutcome.MISSING, ModuleOutcome.MALFORMED]
    for each in (client, neighbour):
        answer = ask(each, [(missing, 0), (malformed, 0)])
        assert [result.outcome for result in answer.modules] == outcomes
        assert all(result.detail and result.retry_after_seconds for result in answer.modules)
    assert sorted((shared_site.supplier.counts() - before).values()) == [1, 1]


def test_what_is_known_of_a_module_is_told(crash: Crash, client: Client) -> None:
    known = crash.modules[0]
    info = client.get_module(known.debug_file, known.debug_id.lower())
    assert info.outcome is ModuleOutcome.FOUND
    assert info.held is not None
    assert info.held.functions == MANY
    assert info.held.skipped_records == {}
    assert info.held.supplier in crash.site.supplier.url
    unknown = next(NEW_MODULES)
    info = client.get_module(unknown.debug_file, unknown.debug_id)
    assert (info.outcome, info.held) == (ModuleOutcome.NOT_REFERENCED, None)
    assert info.detail == "it was not requested yet, or it was forgotten since"


def test_a_call_without_time_is_pending_and_its_module_there_soon(
    shared_site: Site, client: Client, worker: Program
) -> None:
    cold = next(NEW_MODULES)
    shared_site.supplier.put(cold, symbol_file(cold))
    worker.process.send_signal(signal.SIGSTOP)
    try:
        module = Module(cold.debug_file, cold.debug_id)
        answer = client.symbolicate([module], [[Frame(0, 0)]], max_wait=0)
        assert answer.modules[0].outcome is ModuleOutcome.PENDING
    finally:
        worker.process.send_signal(signal.SIGCONT)
    assert functions(ask(client, [(cold, 0)])) == ["function_0"]
    assert shared_site.supplier.counts()[shared_site.supplier.path_of(cold)] == 1


GRADE = ("orchard::grade(orchard::Crate const&)", "_ZN7orchard5gradeERKNS_5CrateE")


def test_whoever_asks_for_linkage_names_gets_them_of_a_native_file(
    address: str, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    report, frames = Report([ORCHARD], [[Frame(0, 0x1210)]]), [[Frame(0, 0x1210)]]
    plain = client.symbolicate([ORCHARD], frames)
    assert [frame.linkage_name for frame in plain.stacks[0]] == [None]
    each = [client.symbolicate([ORCHARD], frames, with_linkage_names=True)]
    each += client.symbolicate_batch([report], with_linkage_names=True)
    for remember in (0, 60):
        (result,) = client.symbolicate_many(
            [report], with_linkage_names=True, remember_seconds=remember
        )
        each.append(result.symbolication())
    for answer in each:
        ((frame,),) = answer.stacks
        assert (frame.function, frame.linkage_name) == GRADE
        assert all(inline.linkage_name for inline in frame.inlines)
    ((frame,),) = plain.stacks
    assert frame.function == GRADE[0]

    explained = client.explain_frame(
        ORCHARD.debug_file, ORCHARD.debug_id, 0x1210, with_linkage_names=True
    )
    assert explained.frame == each[0].stacks[0][0]
    assert explained.held is not None
    assert explained.held.module.debug_id == ORCHARD.debug_id
    assert explained.deciding_symbol is not None
    assert (explained.deciding_symbol.name, explained.deciding_symbol.linkage_name) == GRADE

    command = ["symbolicate", str(SAMPLE / "crash-native.json"), "--linkage-names"]
    for form in ("json", "text"):
        assert main([*command, "--format", form, f"--target={address}"]) == 0
        assert GRADE[1] in capsys.readouterr().out
