"""Calls whose message never arrives: no other call waits for them."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon.v1.module_service_pb2 import GetModuleRequest
from tests.fixtures.http2_peer import framed, http2_peer
from tests.rpc.access.protected import GET_MODULE, HEALTH_CHECK
from tests.rpc.scripted import Gate, Serve, answer, count_of

MESSAGE_SECONDS = 0.5
NEVER = 3_600.0
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
RESOURCE_EXHAUSTED = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
DEADLINE_EXCEEDED = str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0])
UNIMPLEMENTED = str(grpc.StatusCode.UNIMPLEMENTED.value[0])
MANY = 300
"""More than there are threads of any kind, and more than the limit of calls in flight."""


def check_health(channel: grpc.Channel) -> Any:
    health: Any = health_pb2_grpc.HealthStub(channel)
    return health.Check(health_pb2.HealthCheckRequest(), timeout=10).status


@pytest.mark.promise(
    "Calls whose message never arrives delay no others, and are ended", group="limits"
)
@pytest.mark.parametrize("method", [HEALTH_CHECK, HEALTH_WATCH, GET_MODULE, REFLECTION])
def test_a_call_whose_message_does_not_arrive_ends_with_deadline_exceeded(
    serve: Serve, method: str
) -> None:
    serving = serve(answer, message_seconds=MESSAGE_SECONDS)
    with http2_peer(serving.address) as peer:
        status = peer.wait_for_end(peer.begin(method))
    assert status["grpc-status"] == DEADLINE_EXCEEDED
    assert "message" in status["grpc-message"]


@pytest.mark.promise("Calls whose message never arrives delay no others, and are ended")
@pytest.mark.parametrize("method", [HEALTH_CHECK, HEALTH_WATCH, GET_MODULE, REFLECTION])
def test_calls_whose_message_does_not_arrive_delay_no_other_call(serve: Serve, method: str) -> None:
    serving = serve(answer, message_seconds=NEVER)
    with http2_peer(serving.address) as peer:
        for _ in range(MANY):
            peer.begin(method)
        peer.settle()
        assert check_health(serving.channel) == health_pb2.HealthCheckResponse.SERVING
        health: Any = health_pb2_grpc.HealthStub(serving.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert serving.modules.GetModule(GetModuleRequest(), timeout=10).detail == "fine"
        listed = serving.channel.stream_stream(
            REFLECTION, request_serializer=bytes, response_deserializer=bytes
        )(iter([b"\x3a\x00"]), timeout=10)
        assert b"symbolon.v1" in next(listed)


@pytest.mark.promise("Calls whose message never arrives delay no others, and are ended")
def test_a_call_is_in_flight_once_its_message_has_arrived(serve: Serve) -> None:
    gate = Gate()
    serving = serve(gate, max_calls=1, message_seconds=NEVER)
    with http2_peer(serving.address) as peer, gate.holding():
        late = peer.begin(GET_MODULE)
        peer.send(late, framed(b"")[:3], is_last=False)
        peer.settle()
        assert check_health(serving.channel) == health_pb2.HealthCheckResponse.SERVING
        assert count_of("symbolon_calls_in_flight") == 0
        peer.send(late, framed(b"")[3:])
        assert gate.arrived.acquire(timeout=30)
        assert count_of("symbolon_calls_in_flight") == 1
        gate.opened.set()
        assert peer.wait_for_end(late)["grpc-status"] == "0"


def test_a_message_that_arrives_at_a_full_server_is_refused(serve: Serve) -> None:
    gate = Gate()
    serving = serve(gate, max_calls=3, message_seconds=NEVER)
    with http2_peer(serving.address) as peer, gate.holding():
        late = peer.begin(GET_MODULE)
        peer.settle()
        assert check_health(serving.channel) == health_pb2.HealthCheckResponse.SERVING
        others = []
        for _ in range(3):
            others.append(peer.call(GET_MODULE))
            assert gate.arrived.acquire(timeout=30)
        peer.send(late, framed(b""))
        refused = peer.wait_for_end(late)
        assert refused["grpc-status"] == RESOURCE_EXHAUSTED
        assert refused["grpc-retry-pushback-ms"] == "250"
        gate.opened.set()
        assert all(peer.wait_for_end(other)["grpc-status"] == "0" for other in others)


@pytest.mark.parametrize("method", [HEALTH_CHECK, HEALTH_WATCH, GET_MODULE, REFLECTION])
def test_only_the_newest_calls_without_a_message_are_held(serve: Serve, method: str) -> None:
    serving = serve(answer, max_calls=16, message_seconds=NEVER)
    held, more = 8, 5
    with http2_peer(serving.address) as peer:
        calls = [peer.begin(method) for _ in range(held + more)]
        for call in calls[:more]:
            assert peer.wait_for_end(call)["grpc-status"] == RESOURCE_EXHAUSTED
        peer.settle()
        assert set(peer.ended) == set(calls[:more])


def test_silent_calls_of_one_address_do_not_end_calls_of_another(serve: Serve) -> None:
    serving = serve(answer, max_calls=8, message_seconds=NEVER)
    with (
        http2_peer(serving.address, own_host="127.0.0.2") as slow,
        http2_peer(serving.address) as silent,
    ):
        late = slow.begin(GET_MODULE)
        slow.settle()
        assert check_health(serving.channel) == health_pb2.HealthCheckResponse.SERVING
        calls = [silent.begin(GET_MODULE) for _ in range(MANY)]
        silent.wait_for_end(calls[-5])
        slow.send(late, framed(b""))
        assert slow.wait_for_end(late)["grpc-status"] == "0"


@pytest.mark.parametrize("method", [HEALTH_CHECK, HEALTH_WATCH, GET_MODULE])
def test_a_call_without_a_message_is_refused(serve: Serve, method: str) -> None:
    serving = serve(answer, message_seconds=NEVER)
    with http2_peer(serving.address) as peer:
        stream = peer.begin(method)
        peer.send(stream, b"")
        assert peer.wait_for_end(stream)["grpc-status"] == UNIMPLEMENTED


@pytest.mark.promise("Calls whose message never arrives delay no others, and are ended")
def test_calls_whose_message_does_not_arrive_do_not_delay_the_stop(serve: Serve) -> None:
    serving = serve(answer, message_seconds=NEVER)
    methods = HEALTH_CHECK, HEALTH_WATCH, GET_MODULE, REFLECTION
    is_over = threading.Event()

    def say_nothing() -> Iterator[bytes]:
        is_over.wait(60)
        yield from ()

    ask: list[Any] = [
        serving.channel.stream_stream(method, request_serializer=bytes) for method in methods
    ]
    calls: list[Any] = [asking(say_nothing()) for asking in ask]
    assert check_health(serving.channel) == health_pb2.HealthCheckResponse.SERVING
    stopping = threading.Thread(target=serving.server.stop, args=(NEVER,))
    stopping.start()
    codes = {call.code() for call in calls}  # waits for it
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
    stopping.join(20)
    assert not stopping.is_alive()
    is_over.set()


@pytest.mark.promise("Calls whose message never arrives delay no others, and are ended")
def test_watches_that_are_not_read_delay_no_other_call(serve: Serve) -> None:
    serving = serve(answer)
    with http2_peer(serving.address, window=0) as peer:
        for _ in range(MANY):
            peer.call(HEALTH_WATCH)
        peer.settle()
        health: Any = health_pb2_grpc.HealthStub(serving.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        serving.server.stop(0.0)


@pytest.mark.promise("Idle connections do not exhaust file descriptors")
def test_a_connection_without_calls_is_closed(serve: Serve) -> None:
    serving = serve(answer, connection_idle_seconds=0.5)
    with http2_peer(serving.address) as peer:
        peer.wait_for_close()
    with http2_peer(serving.address) as peer:
        assert peer.wait_for_end(peer.call(GET_MODULE))["grpc-status"] == "0"
        peer.wait_for_close()
