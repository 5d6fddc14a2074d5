"""Servers that are told to stop under load."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from random import Random
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon import Client, ServerUnreachableError
from tests.system.conftest import Site
from tests.system.known_modules import KnownModule, Question, known_modules

CALLS = 1_000
CALLERS = 24
CLIENTS = 8
GRACE_SECONDS = 25.0


@pytest.fixture
def modules(site: Site) -> list[KnownModule]:
    modules = known_modules(range(4))
    for module in modules:
        site.supplier.put(module.module_id, module.symbol_file())
    site.work()
    return modules


class HealthWatch:
    """What the health service says, from a connection of its own."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])
        stub: Any = health_pb2_grpc.HealthStub(self._channel)
        self._said = stub.Watch(health_pb2.HealthCheckRequest())
        assert next(self._said).status == health_pb2.HealthCheckResponse.SERVING

    def wait_for_not_serving(self) -> None:
        assert next(self._said).status == health_pb2.HealthCheckResponse.NOT_SERVING
        self._channel.close()


@pytest.mark.promise("A stop fails no call, is announced by health, and leaves nothing behind")
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_stop_under_load_fails_none_of_a_thousand_calls_where_another_server_is(
    site: Site, modules: list[KnownModule], processes: str
) -> None:
    leaving, staying = site.serve(processes=processes), site.serve()
    addresses = leaving.await_address(), staying.await_address()
    health = HealthWatch(addresses[0])
    under_way = threading.Semaphore(0)

    def call(number: int) -> list[str]:
        question = Question.choose(Random(number), modules, 30)
        answer = clients[number % CLIENTS].symbolicate(*question.request())
        under_way.release()
        return question.wrong_in(answer)

    options = [("grpc.use_local_subchannel_pool", 1)]
    with ExitStack() as opened, ThreadPoolExecutor(CALLERS) as pool:
        target = f"ipv4:{addresses[0]},{addresses[1]}"
        clients = [opened.enter_context(Client(target, options=options)) for _ in range(CLIENTS)]
        calls = [pool.submit(call, number) for number in range(CALLS)]
        for _ in range(CALLS // 4):
            assert under_way.acquire(timeout=60)
        start = time.monotonic()
        code = leaving.end(signal.SIGTERM)
        seconds = time.monotonic() - start
        assert [call.result(60) for call in calls] == [[]] * CALLS
    health.wait_for_not_serving()
    assert code == 0
    assert seconds < GRACE_SECONDS
    assert leaving.left_behind() == []


def ask_for_ever(client: Client) -> None:
    while True:
        client.get_store_info()


@pytest.mark.promise("A stop fails no call, is announced by health, and leaves nothing behind")
def test_health_says_that_a_server_stops_before_a_call_is_refused(
    site: Site, modules: list[KnownModule]
) -> None:
    program = site.serve()
    target = program.await_address()
    service_config = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    with Client(target, options=service_config) as client, Client(target) as asked:
        assert asked.is_serving()
        program.process.send_signal(signal.SIGTERM)
        with pytest.raises(ServerUnreachableError):
            ask_for_ever(client)
        with suppress(ServerUnreachableError):  # by then it may have gone
            assert not asked.is_serving()
    assert program.process.wait(GRACE_SECONDS) == 0
