"""Many calls at many servers for one cold module are one request to its supplier."""

from concurrent.futures import ThreadPoolExecutor

from symbolon_server.ingest.queueing.scripts import WANT_PREFIX
from tests.app.conftest import wait_until
from tests.fixtures.symbol_server import Answer, Ending
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions

CALLS = 64
"""A quarter of the threads of each of two servers: as many as one caller may have waiting there."""


def test_calls_at_two_servers_for_one_cold_module_cause_one_request(site: Site) -> None:
    module_id = numbered_module(1)
    text = symbol_file(module_id, CALLS)
    site.supplier.answer("*", Answer(text, ending=Ending.STALLED_AT_ONCE))
    site.work()
    servers = [site.serve(threads=str(2 * CALLS)) for _ in range(2)]
    clients = [site.connect(server) for server in servers]
    with ThreadPoolExecutor(CALLS) as pool:
        calls = [
            pool.submit(ask, clients[number % 2], [(module_id, 32 * number)])
            for number in range(CALLS)
        ]
        # Each call asks for another offset, so that this tells how many calls wait.
        wanted = WANT_PREFIX + str(module_id)
        wait_until(lambda: site.cache.strlen(wanted) == 8 * CALLS)
        assert not any(call.done() for call in calls)
        site.supplier.release()
        answers = [functions(call.result()) for call in calls]
    assert answers == [[f"function_{number}"] for number in range(CALLS)]
    assert site.supplier.counts() == {site.supplier.path_of(module_id): 1}


def test_more_calls_than_may_wait_are_answered_at_once_and_say_so(site: Site) -> None:
    cold, held = numbered_module(1), numbered_module(2)
    site.supplier.put(held, symbol_file(held))
    stalled = Answer(symbol_file(cold), ending=Ending.STALLED_AT_ONCE)
    site.supplier.answer(site.supplier.path_of(cold), stalled)
    site.work()
    client = site.new_client(threads="8")  # one caller has a quarter of them to wait with
    assert functions(ask(client, [(held, 0)])) == ["function_0"]
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ask, client, [(cold, 32 * number)]) for number in range(2)]
        wanted = WANT_PREFIX + str(cold)
        wait_until(lambda: site.cache.strlen(wanted) == 8 * 2)
        refused = ask(client, [(cold, 64), (held, 0)])
        assert refused.diagnostics is not None
        assert refused.diagnostics.is_wait_refused
        assert functions(refused) == [None, "function_0"]
        site.supplier.release()
        assert [functions(call.result()) for call in calls] == [["function_0"], ["function_1"]]
