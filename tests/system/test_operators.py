"""What operators and pipelines ask of single modules, on two servers and a worker."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import grpc
import pytest

from symbolon import Client
from symbolon.v1 import explanation_pb2, module_pb2, tier_pb2
from symbolon.v1 import module_service_pb2 as pb
from symbolon.v1.module_service_pb2_grpc import ModuleServiceStub
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS, wait_until
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions

THERE, GONE, ALSO_THERE, ALSO_GONE = map(numbered_module, range(1, 5))

FOUND = module_pb2.MODULE_OUTCOME_FOUND
MISSING = module_pb2.MODULE_OUTCOME_MISSING

PROMISED_SECONDS = 1.0
"""How long any server may answer from what was known before."""


def message(module_id: ModuleId) -> module_pb2.Module:
    return module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id)


@dataclass(frozen=True, slots=True)
class Server:
    """A server as callers and operators see it."""

    address: str
    client: Client
    modules: ModuleServiceStub


@pytest.fixture(scope="module")
def servers(shared_site: Site) -> Iterator[list[Server]]:
    """Two servers with spools of their own, and a worker whose supplier has a module for each test.

    The second server has two processes.
    """
    for module_id in (THERE, ALSO_THERE):
        shared_site.supplier.put(module_id, symbol_file(module_id))
    shared_site.work()
    programs = [
        shared_site.serve(spool_dir=str(shared_site.spool / processes), processes=processes)
        for processes in ("1", "2")
    ]
    with ExitStack() as stack:
        servers = []
        for program in programs:
            address = program.await_address()
            channel = stack.enter_context(grpc.insecure_channel(address))
            client = stack.enter_context(Client(address, timeout=PATIENCE_SECONDS))
            servers.append(Server(address, client, ModuleServiceStub(channel)))
        yield servers


def prefetch(stub: ModuleServiceStub) -> list[module_pb2.ModuleOutcome.ValueType]:
    """Return the outcomes, none of them if a busy machine kept the cache from answering in time."""
    request = pb.PrefetchModulesRequest(modules=[message(THERE), message(GONE)])
    try:
        response = stub.PrefetchModules(request, timeout=PATIENCE_SECONDS)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return []
        raise
    return [result.outcome for result in response.modules]


def ask_until_better(address: str) -> float:
    """Return when the server last answered from the old file; 0 if it never did."""
    last_old = 0.0
    with Client(address, timeout=PATIENCE_SECONDS) as client:
        while functions(ask(client, [(THERE, 32)])) != ["better_1"]:
            last_old = time.monotonic()
    return last_old


def test_a_module_is_prefetched_explained_invalidated_and_better_then(
    shared_site: Site, servers: list[Server]
) -> None:
    near = servers[0].modules
    clients = [server.client for server in servers]
    wait_until(lambda: prefetch(near) == [FOUND, MISSING])
    assert shared_site.supplier.counts()[shared_site.supplier.path_of(THERE)] == 1
    for client in clients:
        assert functions(ask(client, [(THERE, 32)])) == ["function_1"]

    explained = near.ExplainFrame(
        pb.ExplainFrameRequest(module=message(THERE), module_offset=32), timeout=PATIENCE_SECONDS
    )
    assert explained.frame.function == "function_1"
    assert [tier.tier for tier in explained.tiers if tier.has_answer] == [
        tier_pb2.TIER_FRAMES,
        tier_pb2.TIER_MEMORY,
        tier_pb2.TIER_STORE,
    ]
    (attempt,) = explained.suppliers.attempts
    assert attempt.outcome == explanation_pb2.SUPPLIER_OUTCOME_FOUND

    shared_site.supplier.put(THERE, symbol_file(THERE).replace(b"function_", b"better_"))
    forgotten = near.InvalidateModules(
        pb.InvalidateModulesRequest(modules=[message(THERE), message(GONE)]),
        timeout=PATIENCE_SECONDS,
    )
    returned = time.monotonic()
    assert [module.previous_outcome for module in forgotten.modules] == [FOUND, MISSING]
    # Each connection goes to either process.
    last_old = [
        ask_until_better(address) for address in [servers[0].address, *[servers[1].address] * 10]
    ]
    assert max(last_old) - returned < PROMISED_SECONDS


def test_missing_modules_are_listed_until_they_come(
    shared_site: Site, servers: list[Server]
) -> None:
    clients = [server.client for server in servers]
    for client in (*clients, clients[0]):
        assert functions(ask(client, [(ALSO_GONE, 0), (ALSO_THERE, 0)])) == [None, "function_0"]

    def listed() -> dict[str, int]:
        request = pb.ListMissingModulesRequest()
        response = servers[1].modules.ListMissingModules(request, timeout=PATIENCE_SECONDS)
        assert response.total == len(response.modules)
        counts = {each.module.debug_file: each.requests for each in response.modules}
        counts.pop(GONE.debug_file, None)  # of the other test
        return counts

    wait_until(lambda: listed() == {ALSO_GONE.debug_file: 3})
    shared_site.supplier.put(ALSO_GONE, symbol_file(ALSO_GONE))
    request = pb.InvalidateModulesRequest(modules=[message(ALSO_GONE)])
    servers[0].modules.InvalidateModules(request, timeout=PATIENCE_SECONDS)
    assert functions(ask(clients[0], [(ALSO_GONE, 0)])) == ["function_0"]
    assert listed() == {}
