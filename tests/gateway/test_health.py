"""The health checks of load balancers, with and without a gRPC server."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import pytest

from symbolon import Client
from symbolon_server.app.process.children import READY
from symbolon_server.app.process.reserved_port import bind_shared
from symbolon_server.rpc.calls.addresses import ListenAddress
from tests.app.conftest import PATIENCE_SECONDS, StartProgram, wait_until
from tests.app.test_serve_command import process_of
from tests.gateway.asking import ORCHARD, V5, await_http, get, post


def test_health_and_version_are_reported(gateway: str) -> None:
    assert get(gateway, "/__heartbeat__").content == {"status": "ok"}
    assert get(gateway, "/__lbheartbeat__").status == 200
    assert get(gateway, "/__version__").content == {
        "name": "symbolon",
        "version": version("symbolon-grpc"),
    }


@pytest.fixture
def alone(environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a gateway without a gRPC server."""
    with (
        bind_shared(ListenAddress("127.0.0.1", 0)) as port,
        bind_shared(ListenAddress("127.0.0.1", 0)) as nobody,
    ):
        address = f"127.0.0.1:{port.getsockname()[1]}"
        variables = {
            "SYMBOLON_HTTP": address,
            "SYMBOLON_LISTEN": f"127.0.0.1:{nobody.getsockname()[1]}",
        }
        program = subprocess.Popen(
            [sys.executable, "-m", "symbolon_server.app.programs.gateway_main"],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
        )
        assert program.stdout is not None
        assert program.stdout.readline().decode().strip() == READY
        yield address
        program.terminate()
        program.wait()
        program.stdout.close()


def test_without_the_grpc_server_the_gateway_is_alive_and_unhealthy(alone: str) -> None:
    assert get(alone, "/__lbheartbeat__").status == 200
    heartbeat = get(alone, "/__heartbeat__")
    assert heartbeat.status == 503
    assert "cannot reach" in heartbeat.content["reason"]
    answer = post(alone, V5, {"memoryMap": [ORCHARD], "stacks": [[[0, 1]]]})
    assert answer.status == 503
    assert "cannot reach" in answer.title


def test_a_gateway_that_dies_is_replaced_at_its_address_and_none_is_left_behind(
    serve: StartProgram,
) -> None:
    program = serve(http="127.0.0.1:0", processes="2")
    address = await_http(program)
    process_of(program, "gateway_main").kill()
    wait_until(lambda: _lives(address))
    assert get(address, "/__heartbeat__").status == 200
    assert program.end(signal.SIGTERM) == 0
    assert program.left_behind() == []


def test_a_gateway_is_started_again_at_once_where_it_closed_connections(
    serve: StartProgram,
) -> None:
    program = serve(http="127.0.0.1:0")
    address = await_http(program)
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/__lbheartbeat__")
    connection.getresponse().read()
    assert program.end(signal.SIGTERM) == 0
    connection.close()
    again = serve(http=address)
    assert await_http(again) == address
    assert get(address, "/__heartbeat__").status == 200


@pytest.mark.promise("A server that drains is live and not ready")
@pytest.mark.parametrize("processes", ["1", "2"])
def test_grpc_reports_not_serving_while_the_gateway_finishes_its_requests(
    serve: StartProgram, processes: str
) -> None:
    program = serve(http="127.0.0.1:0", processes=processes)
    address = await_http(program)
    target = program.ready_line.split()[4]
    body = json.dumps({"memoryMap": [ORCHARD], "stacks": [[[0, 4272]]]}).encode()
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    with Client(target, timeout=PATIENCE_SECONDS) as client:
        connection.putrequest("POST", V5)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:-1])
        wait_until(lambda: get(address, "/__heartbeat__").status == 200)
        program.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not client.is_serving())
        assert program.process.poll() is None
        connection.send(body[-1:])
        assert connection.getresponse().status == 200
    connection.close()
    assert program.process.wait(PATIENCE_SECONDS) == 0


def _lives(address: str) -> bool:
    try:
        return get(address, "/__lbheartbeat__").status == 200
    except OSError:
        return False
