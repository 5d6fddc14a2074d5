"""The health check by hand, against the stock health service."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health as stock_health
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon import Client, NotOfferedError
from symbolon._calling.health import encode_check

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


def test_a_service_that_the_server_does_not_have_is_told(client: Client) -> None:
    with pytest.raises(NotOfferedError):
        client.is_serving("nobody.Home")


@pytest.mark.parametrize("service", ["", SERVICE, "x" * 127])
def test_the_request_is_that_of_the_standard(service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=service)
    assert encode_check(service) == request.SerializeToString()


def test_a_name_that_no_service_has_is_refused() -> None:
    with pytest.raises(ValueError, match="128 bytes"):
        encode_check("x" * 128)
