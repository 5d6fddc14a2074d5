"""The health check without its package, against the stock health service."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from google.protobuf.wrappers_pb2 import Int32Value
from grpc_health.v1 import health as stock_health
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon import Client, NotOfferedError
from symbolon._calling.calls import is_serving

SERVICE = "symbolon.v1.SymbolicationService"


@pytest.fixture
def servicer() -> stock_health.HealthServicer:
    return stock_health.HealthServicer(experimental_non_blocking=False)


@pytest.fixture
def client(servicer: stock_health.HealthServicer) -> Iterator[Client]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}", timeout=20) as client:
        yield client
    server.stop(grace=None).wait()


def test_a_server_that_serves_says_so(
    servicer: stock_health.HealthServicer, client: Client
) -> None:
    servicer.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    assert client.is_serving()
    assert client.is_serving(SERVICE)


def test_a_server_that_is_stopping_does_not_serve(
    servicer: stock_health.HealthServicer, client: Client
) -> None:
    servicer.enter_graceful_shutdown()
    assert not client.is_serving()


def test_an_unknown_service_is_not_offered(client: Client) -> None:
    with pytest.raises(NotOfferedError):
        client.is_serving("nobody.Home")


@pytest.mark.parametrize("service", ["", SERVICE, "x" * 1_000])
def test_the_messages_are_those_of_the_standard(service: str) -> None:
    call = is_serving(service)
    request = health_pb2.HealthCheckRequest(service=service)
    assert call.request.SerializeToString() == request.SerializeToString()
    for status in health_pb2.HealthCheckResponse.ServingStatus.values():
        response = health_pb2.HealthCheckResponse(status=status).SerializeToString()
        serves = status == health_pb2.HealthCheckResponse.SERVING
        assert call.decode(Int32Value.FromString(response)) is serves
