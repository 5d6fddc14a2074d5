"""Connections: one server or several, lost connections, and the stubs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from symbolon import Client, InvalidTargetError, ServerUnreachableError
from symbolon._calling import channels
from symbolon._calling.targets import DEFAULT_PORT, join_targets
from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon.v1.store_service_pb2 import GetStoreInfoResponse
from tests.client.blocking import BlockingClient
from tests.client.canned import CannedServer, start_canned_server
from tests.client.conftest import AT_ONCE, Connect


def test_several_servers_take_calls_in_turn(connect: Connect) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(start_canned_server()) for _ in range(3)]
        for server in servers:
            server.answers = [lambda _request, _context: GetStoreInfoResponse()]
        client = connect([server.target for server in servers], wait_for_ready=True)
        # gRPC takes the servers in as it reaches them.
        while not all(server.requests for server in servers):
            client.get_store_info()
        before = [len(server.requests) for server in servers]
        for _ in range(9):
            client.get_store_info()
    assert [len(server.requests) for server in servers] == [count + 3 for count in before]


def test_an_unreachable_server_is_skipped(canned: CannedServer, connect: Connect) -> None:
    canned.answers = [lambda _request, _context: GetStoreInfoResponse(modules=3)]
    client = connect([canned.target, "127.0.0.1:1"], wait_for_ready=True)
    assert {client.get_store_info().modules for _ in range(4)} == {3}


@pytest.mark.parametrize(
    ("targets", "joined"),
    [
        ("symbols.example.org:443", "symbols.example.org:443"),
        (["dns:///symbols.example.org:443"], "dns:///symbols.example.org:443"),
        (["10.0.0.1:1", "10.0.0.2:2"], "ipv4:10.0.0.1:1,10.0.0.2:2"),
        (["[::1]:1", "[fe80::2]:2"], "ipv6:[::1]:1,[fe80::2]:2"),
        ("symbols.example.org", "symbols.example.org:50051"),
        ("dns:///symbols.example.org", "dns:///symbols.example.org:50051"),
        ("dns://8.8.8.8/symbols.example.org", "dns://8.8.8.8/symbols.example.org:50051"),
        ("dns:symbols.example.org", "dns:symbols.example.org:50051"),
        ("127.0.0.1", "127.0.0.1:50051"),
        ("::1", "[::1]:50051"),
        ("[::1]", "[::1]:50051"),
        ("[::1]:7", "[::1]:7"),
        ("ipv4:127.0.0.1,127.0.0.2:2", "ipv4:127.0.0.1:50051,127.0.0.2:2"),
        (["10.0.0.1", "10.0.0.2:2"], "ipv4:10.0.0.1:50051,10.0.0.2:2"),
        (["::1", "fe80::2"], "ipv6:[::1]:50051,[fe80::2]:50051"),
        ("unix:/run/symbolon", "unix:/run/symbolon"),
        ("unix:///run/symbolon", "unix:///run/symbolon"),
        ("xds:///symbolon", "xds:///symbolon"),
    ],
)
def test_targets_are_joined_as_grpc_reads_them(targets: str | list[str], joined: str) -> None:
    assert join_targets(targets) == joined


@pytest.mark.parametrize(
    "targets",
    [
        [],
        [""],
        ["127.0.0.1:"],
        ["a.example:1", "b.example:1"],
        ["10.0.0.1:1", "[::1]:1"],
        ["http://127.0.0.1:50061"],
        ["https://symbols.example.org"],
        ["grpc:///symbols.example.org:50051"],
    ],
    ids=str,
)
def test_an_invalid_target_is_refused(targets: list[str], connect: Connect) -> None:
    with pytest.raises(InvalidTargetError, match=r"address|kind|host:port") as caught:
        connect(targets)
    assert isinstance(caught.value, ValueError)


def test_a_target_without_a_port_gets_the_default_port(connect: Connect) -> None:
    client = connect("127.77.0.1", timeout=20, options=AT_ONCE)
    with pytest.raises(ServerUnreachableError, match=f"127.77.0.1:{DEFAULT_PORT}"):
        client.get_store_info()


@pytest.fixture
def silent_target(canned: CannedServer) -> Iterator[str]:
    """The address of a proxy whose connection dies silently after its first answer.

    As one that a firewall forgot: what is sent arrives nowhere, and nobody says so.
    """
    host, port = canned.target.split(":")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        is_dead = threading.Event()
        is_over = threading.Event()
        stack.callback(is_over.set)

        def answer_to_nobody(_request: Any, _context: grpc.ServicerContext) -> Any:
            is_dead.set()
            is_over.wait()
            return GetStoreInfoResponse()

        canned.answers = [answer_to_nobody]

        def forward() -> None:
            local = stack.enter_context(listener.accept()[0])
            far = stack.enter_context(socket.create_connection((host, int(port))))
            threading.Thread(target=copy, args=(far, local, is_dead), daemon=True).start()
            copy(local, far, is_dead)

        threading.Thread(target=forward, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def hesitant_target(canned: CannedServer) -> Iterator[str]:
    """The address of a proxy that closes the first two connections.

    As one does that is killed and started anew.
    """
    host, port = canned.target.split(":")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def forward() -> None:
            for _ in range(2):
                listener.accept()[0].close()
            local = stack.enter_context(listener.accept()[0])
            far = stack.enter_context(socket.create_connection((host, int(port))))
            never = threading.Event()
            threading.Thread(target=copy, args=(far, local, never), daemon=True).start()
            copy(local, far, never)

        threading.Thread(target=forward, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_call_survives_lost_connections(
    hesitant_target: str, canned: CannedServer, connect: Connect
) -> None:
    canned.answers = [lambda _request, _context: GetStoreInfoResponse(modules=3)]
    assert connect(hesitant_target, timeout=20).get_store_info().modules == 3


def copy(source: socket.socket, sink: socket.socket, is_dead: threading.Event) -> None:
    try:
        while data := source.recv(65_536):
            if not is_dead.is_set():
                sink.sendall(data)
    except OSError:
        return


def test_a_silently_dead_connection_is_noticed(
    silent_target: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "KEEPALIVE_MILLISECONDS", 300)
    monkeypatch.setattr(channels, "KEEPALIVE_TIMEOUT_MILLISECONDS", 200)
    client = connect(silent_target, timeout=20, options=AT_ONCE)
    with pytest.raises(ServerUnreachableError):
        client.get_store_info()


def test_the_stubs_take_and_give_messages(canned: CannedServer, connect: Connect) -> None:
    canned.answers = [lambda _request, _context: GetModuleResponse(detail="as it is")]
    client = connect(canned.target)
    response = take(client, client.stubs.modules.GetModule(GetModuleRequest(), timeout=20))
    assert response.detail == "as it is"


def take(client: Client, response: Any) -> Any:
    """Return the result of a stub; wait for it in the client's event loop if it is awaitable."""
    return client.wait_for(response) if isinstance(client, BlockingClient) else response
