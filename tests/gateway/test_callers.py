"""Without tokens, callers over HTTP are distinguished by their address."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.app.process.children import READY
from symbolon_server.app.process.reserved_port import bind_shared
from symbolon_server.rpc.access.access import AccessControl
from symbolon_server.rpc.access.forwarding import (
    FORWARDED_KEY,
    SECRET_VARIABLE,
    find_forwarded,
    forward,
    make_secret,
)
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from tests.app.conftest import PATIENCE_SECONDS, StartProgram, wait_until
from tests.fixtures.scraping import find_address, of, scrape
from tests.fixtures.symbol_server import Answer, Ending, SymbolServer
from tests.gateway.asking import V5, await_http

HOSTS = "127.0.0.1", "127.0.0.2"
SECRET = make_secret()


def ask_from(host: str, address: str, name: str) -> int:
    """Request a module from one address of this machine; return the status."""
    connection = http.client.HTTPConnection(address, None, PATIENCE_SECONDS, (host, 0))
    body = {"memoryMap": [[name, "C3D8E3C7B6594DF1DFCA907993B477250"]], "stacks": [[[0, 1]]]}
    try:
        connection.request("POST", V5, json.dumps(body))
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def naming_callers(secret: str, names: list[str]) -> Iterator[ListenAddress]:
    """Serve gRPC; append each caller's name to `names`."""
    access = AccessControl(None, secret)

    def symbolicate(_request: bytes, context: grpc.ServicerContext) -> bytes:
        names.append(access.name_caller(context))
        return SymbolicateResponse().SerializeToString()

    def add_to(server: grpc.Server) -> str:
        service = "symbolon.v1.SymbolicationService"
        methods: dict[str, Any] = {"Symbolicate": grpc.unary_unary_rpc_method_handler(symbolicate)}
        handler: Any = grpc.method_handlers_generic_handler(service, methods)
        server.add_generic_rpc_handlers((handler,))
        return service

    options = ServerOptions(ListenAddress("127.0.0.1", 0), 4, 8, 1 << 20)
    server = RpcServer(options, [add_to], access=access)
    address = server.bind()
    server.start()
    try:
        yield address
    finally:
        server.stop(0.0)


@contextmanager
def gateway_before(address: ListenAddress, environment: Mapping[str, str]) -> Iterator[str]:
    with bind_shared(ListenAddress("127.0.0.1", 0)) as port:
        http_address = f"127.0.0.1:{port.getsockname()[1]}"
        settings = {
            "SYMBOLON_HTTP": http_address,
            "SYMBOLON_LISTEN": str(address),
            SECRET_VARIABLE: SECRET,
        }
        with subprocess.Popen(
            [sys.executable, "-m", "symbolon_server.app.programs.gateway_main"],
            env={**environment, **settings},
            stdout=subprocess.PIPE,
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline().decode().strip() == READY
            yield http_address
            program.terminate()


@pytest.mark.parametrize(
    ("secret", "expected"),
    [(SECRET, {"ipv4:127.0.0.1", "ipv4:127.0.0.2"}), (make_secret(), {"ipv4:127.0.0.1"})],
    ids=["same", "other"],
)
def test_the_gateway_forwards_the_address_of_its_callers_if_it_has_the_secret(
    environment: Mapping[str, str], secret: str, expected: set[str]
) -> None:
    names: list[str] = []
    with naming_callers(secret, names) as address, gateway_before(address, environment) as gateway:
        for host in HOSTS:
            ask_from(host, gateway, "orchard")
    assert set(names) == expected


def test_one_caller_over_http_does_not_take_all_places_of_waiting_calls(
    start: StartProgram, tmp_path: Path
) -> None:
    names = "one", "two"
    with SymbolServer(tmp_path / "served") as supplier, ThreadPoolExecutor() as threads:
        for name in names:
            path = f"/{name}/C3D8E3C7B6594DF1DFCA907993B477250/{name}.sym"
            supplier.answer(path, Answer(ending=Ending.STALLED_AT_ONCE))
        program = start(
            "serve",
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            suppliers=supplier.url,
            metrics_listen="127.0.0.1:0",
            threads="4",  # two calls may wait, one per caller
        )
        gateway = await_http(program)
        metrics = find_address(program)
        for host, name in zip(HOSTS, names, strict=True):
            threads.submit(ask_from, host, gateway, name)
        wait_until(lambda: scrape(metrics)[of("symbolon_calls_waiting")] == len(HOSTS))
        supplier.release()


def test_only_programs_that_need_the_secret_have_it(start: StartProgram) -> None:
    program = start(
        "serve",
        *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--processes", "2"),
        suppliers="/nowhere",
    )
    await_http(program)
    secrets = [
        (process.cmdline(), process.environ().get(SECRET_VARIABLE)) for process in program.below()
    ]
    having = {secret for _, secret in secrets if secret}
    assert len(having) == 1
    names = [
        " ".join(command).rpartition(".")[2].split()[0] for command, secret in secrets if secret
    ]
    assert sorted(names) == ["gateway_main", "server_main", "server_main"]
    assert psutil.Process(program.process.pid).environ().get(SECRET_VARIABLE) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("10.0.0.1", "ipv4:10.0.0.1"),
        ("::ffff:10.0.0.1", "ipv4:10.0.0.1"),
        ("2001:db8::1", "ipv6:%5B2001:db8::1%5D"),
    ],
)
def test_a_forwarded_address_is_named_as_grpc_names_it(host: str, name: str) -> None:
    assert find_forwarded(SECRET, [forward(SECRET, host)]) == name


@pytest.mark.parametrize("value", ["", " ipv4:10.0.0.1", "guess ipv4:10.0.0.1"])
@pytest.mark.parametrize("secret", ["", SECRET], ids=["none", "some"])
def test_a_forwarded_address_without_the_secret_is_ignored(secret: str, value: str) -> None:
    assert find_forwarded(secret, [(FORWARDED_KEY, value)]) == ""
