"""A server that ends in the midst of an ingest takes everything with it."""

import signal

import pytest

from symbolon import Client, Frame, Module
from tests.app.conftest import StartProgram, wait_until
from tests.fixtures.symbol_server import Answer, Ending, SymbolServer
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import ask, functions

SERVERS_WITHOUT_INGEST = 3
"""Two Redis servers and a worker."""


@pytest.mark.promise("A stop fails no call, is announced by health, and leaves nothing behind")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_that_ends_during_an_ingest_leaves_no_process_behind(
    start: StartProgram, symbol_server: SymbolServer, number: signal.Signals
) -> None:
    module_id = numbered_module(1)
    stalled = Answer(symbol_file(module_id), ending=Ending.STALLED_MIDWAY)
    symbol_server.answer("*", stalled)
    settings = {"suppliers": symbol_server.url, "worker_stop_seconds": "0"}
    program = start("serve", listen="127.0.0.1:0", **settings)
    with Client(program.await_address()) as client:
        module = Module(module_id.debug_file, module_id.debug_id)
        client.symbolicate([module], [[Frame(0, 0)]], max_wait=0)
        symbol_server.wait_for_gets(1)
        wait_until(lambda: len(program.below()) > SERVERS_WITHOUT_INGEST)
        code = program.end(number)
    assert code == (-number if number == signal.SIGKILL else 0)
    assert program.left_behind() == []


@pytest.mark.promise("Queued ingests survive the death of the cache and of the server")
def test_what_was_queued_when_a_server_ended_is_ingested_by_the_next_one(
    start: StartProgram, symbol_server: SymbolServer
) -> None:
    module_id = numbered_module(1)
    symbol_server.put(module_id, symbol_file(module_id))
    settings = {"listen": "127.0.0.1:0", "suppliers": symbol_server.url}
    first = start("serve", "--no-worker", **settings)
    with Client(first.await_address()) as client:
        module = Module(module_id.debug_file, module_id.debug_id)
        client.symbolicate([module], [[Frame(0, 0)]], max_wait=0)
    assert first.end(signal.SIGTERM) == 0
    second = start("serve", **settings)
    with Client(second.await_address()) as client:
        symbol_server.wait_for_gets(1)
        assert functions(ask(client, [(module_id, 0)])) == ["function_0"]
    assert symbol_server.get_count == 1
