import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.serving.health import Health
from symbolon_server.telemetry.lasting_threads import Vitals
from tests.rpc.scripted import MODULE_SERVICE, Serve, Serving, answer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
def serving(serve: Serve) -> Serving:
    return serve(answer)


@pytest.fixture
def health(serving: Serving) -> Any:
    return health_pb2_grpc.HealthStub(serving.channel)


def request_of(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", ["", MODULE_SERVICE])
def test_the_server_and_each_service_are_serving(health: Any, service: str) -> None:
    assert health.Check(request_of(service)).status == SERVING


def test_an_unknown_service_is_not_found(health: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(request_of("symbolon.v9.Nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_watching_client_hears_of_the_stop_and_its_call_ends(
    serving: Serving, health: Any
) -> None:
    watch = health.Watch(request_of(""))
    assert next(watch).status == SERVING
    stopping = threading.Thread(target=serving.server.stop, args=(30.0,))
    stopping.start()
    assert [told.status for told in watch] == [NOT_SERVING]
    assert watch.code() is grpc.StatusCode.OK
    stopping.join(10)
    assert not stopping.is_alive(), "a watching client must not hold up the stop"


def test_an_unknown_service_can_be_watched(health: Any) -> None:
    watch = health.Watch(request_of("symbolon.v9.Nothing"))
    assert next(watch).status == SERVICE_UNKNOWN
    watch.cancel()


def test_many_clients_that_watch_and_leave_delay_neither_checks_nor_the_stop(
    serving: Serving, health: Any
) -> None:
    for _ in range(3):
        watches = [health.Watch(request_of("")) for _ in range(50)]
        for watch in watches:
            assert next(watch).status == SERVING
            watch.cancel()
    assert health.Check(request_of(""), timeout=10).status == SERVING
    serving.server.stop(0.0)


def test_a_watch_whose_client_has_left_is_forgotten(serving: Serving, health: Any) -> None:
    watches = [health.Watch(request_of("")) for _ in range(20)]
    for watch in watches:
        assert next(watch).status == SERVING
    assert len(serving.server._health._watches) == len(watches)
    for watch in watches:
        watch.cancel()
    for _ in range(1_000):  # gives the server time to notice
        health.Check(request_of(""), timeout=10)
        if not serving.server._health._watches:
            break
    else:
        pytest.fail("watches of clients that left are not forgotten")


def test_one_watch_too_many_ends_the_oldest(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symbolon_server.rpc.serving.health.MAX_WATCHES", 2)
    health: Any = health_pb2_grpc.HealthStub(serve(answer).channel)
    watches = [health.Watch(request_of("")) for _ in range(1)]
    for _ in range(2):
        assert next(watches[-1]).status == SERVING
        watches.append(health.Watch(request_of("")))
    assert next(watches[-1]).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        next(watches[0])
    assert caught.value.code() is grpc.StatusCode.CANCELLED


class Watching:
    """A call that reads its messages when the test says so."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.callbacks: list[Callable[[], None]] = []
        self.is_ended = False

    def when_over(self, _callback: Callable[[], None]) -> bool:
        return True

    def send(self, message: health_pb2.HealthCheckResponse, left: Callable[[], None]) -> None:
        self.statuses.append(message.status)
        self.callbacks.append(left)

    def end(self) -> None:
        self.is_ended = True

    def read_all(self) -> None:
        while self.callbacks:
            self.callbacks.pop()()


class HookedLock:
    """A lock that calls `hook` once, after its first release."""

    def __init__(self, hook: Callable[[], None]) -> None:
        self._hooks = [hook]
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()
        if self._hooks:
            self._hooks.pop()()


def test_a_watch_that_begins_while_the_server_stops_gets_not_serving_and_ends() -> None:
    arrivals = Arrivals(10.0)
    health: Any = Health([], arrivals)
    health.open()
    closing = threading.Thread(target=health.close)

    def close_meanwhile() -> None:
        closing.start()
        closing.join(0.2)  # it ends unless it has to wait for the watch

    watching = Watching()
    health._lock = HookedLock(close_meanwhile)
    health._watch(watching, request_of(""))
    closing.join(10)
    watching.read_all()
    arrivals.release()
    assert watching.statuses[-1] == NOT_SERVING
    assert watching.is_ended


def test_health_is_not_serving_while_a_thread_cannot_go_on(serve: Serve) -> None:
    vitals = Vitals()
    health: Any = health_pb2_grpc.HealthStub(serve(answer, vitals=vitals).channel)
    watch = health.Watch(request_of(MODULE_SERVICE))
    assert next(watch).status == SERVING
    vitals.lose("a thread")
    assert next(watch).status == NOT_SERVING
    assert health.Check(request_of("")).status == NOT_SERVING
    vitals.recover("a thread")
    assert next(watch).status == SERVING
    watch.cancel()
