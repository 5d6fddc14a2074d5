"""From a supplier to an answer, and what serves it again when parts of it are lost."""

import shutil
import signal

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon.results import Tier
from tests.app.conftest import Program
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, diagnostics_of, functions, hits

MODULES = [numbered_module(number) for number in range(5)]
MANY = 8_000
LAST = (MANY - 1) * 32

FIRST_FRAMES = [(module_id, 0) for module_id in MODULES]
LAST_FRAMES = [(module_id, LAST) for module_id in MODULES]


@pytest.fixture
def worker(site: Site) -> Program:
    """A worker whose supplier has five modules of several pages."""
    for module_id in MODULES:
        site.supplier.put(module_id, symbol_file(module_id, MANY))
    return site.work()


@pytest.fixture
def client(site: Site, worker: Program) -> Client:
    """A client of a server that has answered for the first page of each module."""
    client = site.new_client()
    answer = ask(client, FIRST_FRAMES)
    assert functions(answer) == ["function_0"] * 5
    assert {result.outcome for result in answer.modules} == {ModuleOutcome.FOUND}
    assert diagnostics_of(answer).ingests == 5
    return client


def check_gets(site: Site, times: int) -> None:
    """Every module was fetched so often from the supplier, and nothing else was."""
    expected = {site.supplier.path_of(module_id): times for module_id in MODULES}
    assert site.supplier.counts() == expected


def test_a_second_call_makes_no_request_and_no_ingest(site: Site, client: Client) -> None:
    answer = ask(client, FIRST_FRAMES)
    assert functions(answer) == ["function_0"] * 5
    assert diagnostics_of(answer).ingests == 0
    check_gets(site, times=1)


def test_another_server_answers_from_the_store(site: Site, client: Client) -> None:
    answer = ask(site.new_client(spool_bytes="0"), LAST_FRAMES)
    assert functions(answer) == [f"function_{MANY - 1}"] * 5
    assert hits(answer, Tier.STORE) == 10
    assert diagnostics_of(answer).ingests == 0
    check_gets(site, times=1)


def test_after_the_store_was_emptied_the_spool_answers(site: Site, client: Client) -> None:
    site.store.flushall()
    for asked, expected in ((FIRST_FRAMES, 0), (LAST_FRAMES, MANY - 1)):
        assert functions(ask(client, asked)) == [f"function_{expected}"] * 5
    answer = ask(site.new_client(), FIRST_FRAMES)
    assert functions(answer) == ["function_0"] * 5
    assert hits(answer, Tier.SPOOL) > 0
    assert diagnostics_of(answer).ingests == 0
    check_gets(site, times=1)


def test_after_the_spool_was_emptied_too_each_module_is_ingested_once_more(
    site: Site, client: Client
) -> None:
    site.store.flushall()
    shutil.rmtree(site.spool)
    fresh = site.new_client()
    for expected_ingests in (5, 0):
        answer = ask(fresh, LAST_FRAMES)
        assert functions(answer) == [f"function_{MANY - 1}"] * 5
        assert diagnostics_of(answer).ingests == expected_ingests
    check_gets(site, times=2)
    # The server that held the lost generation goes on with the new one.
    assert functions(ask(client, [(MODULES[0], LAST)])) == [f"function_{MANY - 1}"]
    check_gets(site, times=2)


def test_a_server_on_another_host_than_the_spool_has_its_pages_from_a_worker(
    site: Site, client: Client
) -> None:
    elsewhere = site.new_client(spool_bytes="0")
    assert functions(ask(elsewhere, FIRST_FRAMES)) == ["function_0"] * 5
    site.store.flushall()
    answer = ask(elsewhere, LAST_FRAMES)
    assert functions(answer) == [f"function_{MANY - 1}"] * 5
    assert diagnostics_of(answer).ingests == 5
    check_gets(site, times=1)


def test_failures_are_shared_by_all_servers(site: Site, worker: Program) -> None:
    missing, malformed = numbered_module(100), numbered_module(101)
    site.supplier.put(malformed, b"this is no symbol file")
    outcomes = [ModuleOutcome.MISSING, ModuleOutcome.MALFORMED]
    for _ in range(2):
        answer = ask(site.new_client(), [(missing, 0), (malformed, 0)])
        assert [result.outcome for result in answer.modules] == outcomes
        assert all(result.detail and result.retry_after_seconds for result in answer.modules)
    assert set(site.supplier.counts().values()) == {1}


def test_what_is_known_of_a_module_is_told(site: Site, client: Client) -> None:
    info = client.get_module(MODULES[0].debug_file, MODULES[0].debug_id.lower())
    assert info.outcome is ModuleOutcome.FOUND
    assert info.held is not None
    assert info.held.functions == MANY
    assert info.held.skipped_records == {}
    assert info.held.supplier in site.supplier.url
    unknown = numbered_module(7)
    info = client.get_module(unknown.debug_file, unknown.debug_id)
    assert (info.outcome, info.held) == (ModuleOutcome.NOT_REFERENCED, None)


def test_a_call_without_time_is_pending_and_its_module_there_soon(
    site: Site, worker: Program
) -> None:
    client = site.new_client()
    cold = MODULES[0]
    worker.process.send_signal(signal.SIGSTOP)
    try:
        module = Module(cold.debug_file, cold.debug_id)
        answer = client.symbolicate([module], [[Frame(0, 0)]], max_wait=0)
        assert answer.modules[0].outcome is ModuleOutcome.PENDING
    finally:
        worker.process.send_signal(signal.SIGCONT)
    assert functions(ask(client, [(cold, 0)])) == ["function_0"]
    assert site.supplier.counts()[site.supplier.path_of(cold)] == 1
