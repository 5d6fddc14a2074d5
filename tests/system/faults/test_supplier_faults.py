"""A supplier that hangs costs the first few modules its time, and those after them nothing."""

import time

import pytest

from symbolon import Client
from symbolon.results import ModuleOutcome, ModuleResult
from symbolon_server.redis_servers.keys import outcome_key, pause_key
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import wait_until
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions

READ_SECONDS = 1.0
FAILURES = 3
PAUSE = pause_key("127.0.0.1:{}")


@pytest.fixture
def hanging(tmp_path_factory: pytest.TempPathFactory) -> SymbolServer:
    """A symbol server that takes requests and says nothing."""
    server = SymbolServer(tmp_path_factory.mktemp("hanging"))
    server.answer(ALL_PATHS, Answer(ending=Ending.STALLED_AT_ONCE))
    return server


@pytest.fixture
def client(site: Site, hanging: SymbolServer) -> Client:
    """A client of a server whose two workers ask the hanging supplier first."""
    suppliers = f"{hanging.url},{site.supplier.url}"
    for _ in range(2):
        site.work(suppliers=suppliers, supplier_read_seconds=f"{READ_SECONDS:g}")
    return site.connect(site.serve())


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_what_a_bucket_answers_403_for_is_missing_where_its_entry_says_so(site: Site) -> None:
    has, *lacks = map(numbered_module, range(3))
    site.supplier.answer(ALL_PATHS, Answer(b"AccessDenied", status=403))
    site.supplier.answer(site.supplier.path_of(has), Answer(symbol_file(has)))
    site.work(suppliers=f"{site.supplier.url}#absent=403")
    client = site.connect(site.serve())
    answer = ask(client, [(module_id, 32) for module_id in (*lacks, has)])
    outcomes = [result.outcome for result in answer.modules]
    assert outcomes == [ModuleOutcome.MISSING, ModuleOutcome.MISSING, ModuleOutcome.FOUND]
    wait_until(lambda: len(client.list_missing_modules().modules) == len(lacks))


def ask_one(client: Client, module_id: ModuleId) -> tuple[ModuleResult, float]:
    """Return what becomes of a module, and the seconds that it took."""
    start = time.monotonic()
    (result,) = ask(client, [(module_id, 32)]).modules
    return result, time.monotonic() - start


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_a_supplier_that_hangs_is_left_alone_by_all_workers_until_it_answers_again(
    site: Site, hanging: SymbolServer, client: Client
) -> None:
    with hanging:
        held = [numbered_module(number) for number in range(10)]
        for module_id in held:
            site.supplier.put(module_id, symbol_file(module_id))
        for module_id in held[:FAILURES]:
            result, seconds = ask_one(client, module_id)
            assert result.outcome is ModuleOutcome.FOUND
            assert seconds > READ_SECONDS
        assert site.cache.expire(PAUSE.format(hanging.port), 50)  # however busy the machine is
        asked = ask(client, [(module_id, 32) for module_id in held])
        assert functions(asked) == ["function_1"] * len(held)

        only_there = numbered_module(20)
        result, seconds = ask_one(client, only_there)
        assert result.outcome is ModuleOutcome.UNAVAILABLE
        assert result.detail.endswith(": skipped after failures: timed out")
        assert result.retry_after_seconds is not None
        assert result.retry_after_seconds > 30
        assert seconds < READ_SECONDS
        assert hanging.get_count == FAILURES

        hanging.answer(ALL_PATHS, Answer(symbol_file(only_there)))
        site.cache.delete(PAUSE.format(hanging.port), outcome_key(only_there))
        result, _ = ask_one(client, only_there)
        assert result.outcome is ModuleOutcome.FOUND
        assert hanging.get_count == FAILURES + 1
        assert site.cache.keys("supplier:*") == []
