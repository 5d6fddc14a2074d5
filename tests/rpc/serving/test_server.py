import socket
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest

from symbolon import Client
from symbolon.v1.module_pb2 import Module
from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon.v1.module_service_pb2_grpc import ModuleServiceStub
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError, check_port
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from tests.rpc.scripted import Gate, Serve, answer


def code_of_error(error: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code


def await_refusal(address: ListenAddress) -> None:
    """Return once nothing listens on the port any more."""
    for _ in range(1_000):
        with socket.socket() as probe:
            if probe.connect_ex((address.host, address.port)) != 0:
                return
        threading.Event().wait(0.01)
    raise AssertionError("the server still listens")


def options_for(host: str, port: int = 0, *, shared: bool = False) -> ServerOptions:
    return ServerOptions(ListenAddress(host, port), 2, 8, 1024**2, is_port_shared=shared)


def bind_error(options: ServerOptions) -> str:
    server = RpcServer(options, [])
    try:
        with pytest.raises(ListenError) as caught:
            server.bind()
    finally:
        server.stop(0.0)
    return str(caught.value)


def test_port_0_takes_a_free_port_and_reports_it(serve: Serve) -> None:
    serving = serve(answer)
    assert serving.address.port > 0
    assert serving.modules.GetModule(GetModuleRequest()).detail == "fine"


def test_a_port_in_use_is_a_clear_error(serve: Serve) -> None:
    taken = serve(answer).address
    assert bind_error(options_for(taken.host, taken.port)) == (
        f"cannot listen on {taken}: address already in use"
    )


def test_a_unix_socket_is_served_in_plaintext_and_removed_at_the_end() -> None:
    with TemporaryDirectory(dir="/tmp") as folder:  # the path of a socket must be short
        listen = ListenAddress.at_socket(Path(folder, "grpc"))
        server = RpcServer(ServerOptions(listen, 2, 8, 1024**2), [])
        assert str(server.bind()) == str(listen) == f"unix:{folder}/grpc"
        server.start()
        with Client(str(listen)) as client:
            assert client.is_serving()
        server.stop(0.0)
        assert list(Path(folder).iterdir()) == []


def test_a_port_in_use_by_servers_that_share_it_is_an_error_too() -> None:
    with socket.socket() as sharing:
        sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sharing.bind(("127.0.0.1", 0))
        sharing.listen()
        with pytest.raises(ListenError, match="in use"):
            check_port(ListenAddress("127.0.0.1", sharing.getsockname()[1]))


def test_a_host_that_is_not_ours_is_a_clear_error() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:1024: cannot assign"):
        check_port(ListenAddress("192.0.2.1", 1024))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 # refused
def test_a_public_address_is_refused_with_the_flag_that_allows_it(host: str) -> None:
    error = bind_error(options_for(host))
    assert "--allow-insecure-public" in error
    assert "127.0.0.1" in error


def test_servers_that_share_a_port_can_all_bind_it() -> None:
    first = RpcServer(options_for("127.0.0.1", shared=True), [])
    address = first.bind()
    second = RpcServer(options_for("127.0.0.1", address.port, shared=True), [])
    assert second.bind() == address
    first.stop(0.0)
    second.stop(0.0)


def test_a_request_over_the_limit_is_refused(serve: Serve) -> None:
    request = GetModuleRequest(module=Module(code_file="x" * 1024**2))
    with pytest.raises(grpc.RpcError) as caught:
        serve(answer).modules.GetModule(request)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_answer_may_be_larger_than_the_request_limit(serve: Serve) -> None:
    def answer_at_length(
        _request: GetModuleRequest, _context: grpc.ServicerContext
    ) -> GetModuleResponse:
        return GetModuleResponse(detail="x" * 3 * 1024**2)

    assert len(serve(answer_at_length).modules.GetModule(GetModuleRequest()).detail) == 3 * 1024**2


def test_a_call_in_flight_finishes_during_the_stop(serve: Serve) -> None:
    gate = Gate()
    serving = serve(gate)
    call = serving.modules.GetModule.future(GetModuleRequest())
    assert gate.arrived.acquire(timeout=30)
    stopping = threading.Thread(target=serving.server.stop, args=(30.0,))
    stopping.start()
    await_refusal(serving.address)
    with grpc.insecure_channel(str(serving.address)) as late:
        new = ModuleServiceStub(late).GetModule.future(GetModuleRequest(), timeout=30)
        assert code_of_error(new.exception(30)) is grpc.StatusCode.UNAVAILABLE
    gate.opened.set()
    assert call.result(30).detail == "fine"
    stopping.join(10)
    assert not stopping.is_alive()


def test_a_call_that_outlasts_the_grace_period_is_cancelled(serve: Serve) -> None:
    gate = Gate()
    serving = serve(gate)
    call = serving.modules.GetModule.future(GetModuleRequest())
    assert gate.arrived.acquire(timeout=30)
    stopping = threading.Thread(target=serving.server.stop, args=(0.0,))
    stopping.start()
    assert code_of_error(call.exception(30)) in {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNAVAILABLE,
    }
    gate.opened.set()
    stopping.join(10)
    assert not stopping.is_alive()


def test_calls_that_wait_are_hurried_before_the_grace_period_is_over(serve: Serve) -> None:
    gate = Gate()
    serving = serve(gate)
    call = serving.modules.GetModule.future(GetModuleRequest())
    assert gate.arrived.acquire(timeout=30)
    stopping = threading.Thread(target=serving.server.stop, args=(0.5, gate.opened.set))
    stopping.start()
    assert call.result(30).detail == "fine"
    stopping.join(10)
    assert not stopping.is_alive()


def test_without_calls_in_flight_nobody_is_hurried_and_the_stop_is_quick(serve: Serve) -> None:
    hurried = threading.Event()
    serve(answer).server.stop(60.0, hurry=hurried.set)
    assert not hurried.is_set()
