"""A store that is too small for what is asked of it at a time, without a spool beside it."""

from collections.abc import Callable
from random import Random

import pytest

from symbolon import Frame, Module, ModuleOutcome, ModuleResult
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program
from tests.ingest.symbol_files import numbered_module
from tests.system.conftest import Site

MODULES = [numbered_module(number) for number in range(10)]
FUNCTIONS = 2_000
NAME_BYTES = 100
MODULE_BYTES = FUNCTIONS * NAME_BYTES
"""Of the store's memory, at the least: random names cannot be compressed any further."""

FEW = 2
"""So many modules at most are in a small store at a time. A call has modules ingested four times,
and looks for them when all have ended: that is not enough for all.
"""

CALLS = 3
MOST_CALLS = 50


def symbol_file(module_id: ModuleId) -> bytes:
    random = Random(module_id.debug_id)
    lines = [f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}", "FILE 0 a.c"]
    for place in range(FUNCTIONS):
        lines.append(f"FUNC {place * 16:x} 10 0 {random.randbytes(NAME_BYTES).hex()}")
        lines.append(f"{place * 16:x} 10 1 0")
    return "\n".join([*lines, ""]).encode()


def ask_for_all(site: Site, server: Program) -> Callable[[], list[ModuleResult]]:
    """Return what asks for all in one call, and returns what became of each."""
    for module_id in MODULES:
        site.supplier.put(module_id, symbol_file(module_id))
    client = site.connect(server)
    asked = [Module(module_id.debug_file, module_id.debug_id) for module_id in MODULES]
    stacks = [
        [Frame(index, place * 16) for place in range(0, FUNCTIONS, 20)]
        for index in range(len(MODULES))
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


@pytest.mark.parametrize("server", [FEW * MODULE_BYTES], indirect=True)
def test_a_store_that_forgets_what_was_just_ingested_is_told_of_once(
    site: Site, server: Program
) -> None:
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
