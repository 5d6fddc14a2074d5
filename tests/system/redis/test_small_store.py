"""A store that is too small for what is asked of it at a time, without a spool beside it."""

from collections.abc import Callable

import pytest

from symbolon import Frame, Module, ModuleOutcome, ModuleResult
from tests.app.conftest import Program
from tests.system.conftest import Site
from tests.system.known_modules import SPACING, KnownModule

MODULES = [KnownModule(number, functions=8_000) for number in range(24)]
CALLS = 3
MOST_CALLS = 50


def ask_for_all(site: Site, server: Program) -> Callable[[], list[ModuleResult]]:
    """Return what asks for all in one call, and returns what became of each."""
    for module in MODULES:
        site.supplier.put(module.module_id, module.symbol_file())
    client = site.connect(server)
    asked = [Module(module.module_id.debug_file, module.module_id.debug_id) for module in MODULES]
    stacks = [
        [Frame(index, place * SPACING) for place in range(0, module.functions, 20)]
        for index, module in enumerate(MODULES)
    ]
    return lambda: list(client.symbolicate(asked, stacks).modules)


@pytest.fixture
def server(site: Site, request: pytest.FixtureRequest) -> Program:
    """A server and a worker without spools, of a store that holds as much as the test says."""
    used = int(site.store.info("memory")["used_memory"])
    site.pair.stop("store")
    site.pair.start("store", maxmemory=str(used + request.param))
    site.work(spool_bytes="0")
    return site.serve(spool_bytes="0", memory_bytes="1MiB")


@pytest.mark.parametrize("server", [600_000], indirect=True)
def test_a_store_that_forgets_what_was_just_ingested_is_told_of_once(
    site: Site, server: Program
) -> None:
    # Each ingest leaves a call the time to read its pages before the next takes their room, or not.
    ask = ask_for_all(site, server)
    too_small = "the store is too small for its"
    assert any(too_small in result.detail for _ in range(MOST_CALLS) for result in ask())
    assert server.log.count("warning store_too_small") == 1


@pytest.mark.parametrize("server", [100 << 20], indirect=True)
def test_nothing_is_said_of_a_store_that_is_large_enough(site: Site, server: Program) -> None:
    ask = ask_for_all(site, server)
    results = [result for _ in range(CALLS) for result in ask()]
    assert {(result.outcome, result.detail) for result in results} == {(ModuleOutcome.FOUND, "")}
    assert "store_too_small" not in server.log


@pytest.mark.parametrize("server", [0], indirect=True)
def test_a_store_that_is_too_small_for_one_module_is_told_of(site: Site, server: Program) -> None:
    ask = ask_for_all(site, server)
    results = [result for _ in range(CALLS) for result in ask()]
    assert {result.outcome for result in results} == {ModuleOutcome.UNAVAILABLE}
    assert {result.detail for result in results} == {
        "the store did not keep its pages: it refuses them, or is too small for them"
    }
