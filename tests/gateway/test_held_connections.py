"""HTTP connections that hold a place without using it are closed."""

import json
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest

from symbolon_server.app.programs.gateway_process import CONNECTIONS_PER_REQUEST
from symbolon_server.gateway.http_server import (
    SILENT_SECONDS,
    SILENT_SECONDS_WHEN_FULL,
    UNREAD_SECONDS,
    HeldConnections,
)
from tests.app.conftest import PATIENCE_SECONDS, SAMPLE, Program, StartProgram
from tests.gateway.asking import ORCHARD, V5, await_http, get, post

MOST = 4


def test_silent_connections_do_not_keep_others_out_for_long(start: StartProgram) -> None:
    address = await_http(_small(start))
    host, _, port = address.rpartition(":")
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE_SECONDS))
            for _ in range(MOST * CONNECTIONS_PER_REQUEST)
        ]
        for connection in silent[MOST:]:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")  # incomplete
        refused = get(address, "/__lbheartbeat__")
        assert (refused.status, refused.title) == (
            503,
            "too many connections are open; try again",
        )
        for connection in silent:
            assert connection.recv(1) == b"", "the server closes it"
        assert get(address, "/__lbheartbeat__").status == 200


def test_connections_between_two_requests_refuse_nobody(start: StartProgram) -> None:
    address = await_http(_small(start))
    with ExitStack() as stack:
        for _ in range(2 * MOST):  # as browsers and proxies keep them
            idle = HTTPConnection(address, timeout=PATIENCE_SECONDS)
            stack.callback(idle.close)
            idle.request("GET", "/__version__")
            assert idle.getresponse().read()
        assert get(address, "/__version__").status == 200


def test_only_requests_beyond_the_limit_are_refused(start: StartProgram) -> None:
    program = _small(start)
    address = await_http(program)
    body = json.dumps({"memoryMap": [ORCHARD], "stacks": [[[0, 4272]]]}).encode()
    with ExitStack() as stack:
        slow = []
        for _ in range(MOST):
            connection = HTTPConnection(address, timeout=PATIENCE_SECONDS)
            stack.callback(connection.close)
            connection.putrequest("POST", V5)
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Expect", "100-continue")
            connection.endheaders()
            # The gateway asks for the body: the request is in progress.
            assert connection.sock.recv(25).startswith(b"HTTP/1.1 100")
            slow.append(connection)
        for _ in range(2 * MOST):
            refused = post(address, V5, body)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert get(address, "/__heartbeat__").status == 200
        for connection in slow:
            connection.send(body)
            assert connection.getresponse().status == 200
        assert post(address, V5, body).status == 200
    assert program.log.count("requests_refused") == 1


def _small(start: StartProgram) -> Program:
    return start(
        "serve",
        *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        suppliers=str(SAMPLE / "symbols"),
        max_calls_in_flight=str(MOST),
    )


@dataclass
class Cycle:
    response_complete: bool = False


@dataclass(eq=False)
class Held:
    """A connection as uvicorn holds it, and its transport."""

    cycle: Cycle | None = None
    unread_bytes: int = 0
    ended: list[str] = field(default_factory=list)

    @property
    def transport(self) -> Any:
        return self

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def close(self) -> None:
        self.ended.append("close")

    def abort(self) -> None:
        self.ended.append("abort")


class Watched:
    def __init__(self, most: int = 100) -> None:
        self.now = 1_000.0
        self.connections = HeldConnections(most, lambda: self.now)

    def check(self, *connections: Any, later: float = 0.0) -> None:
        self.now += later
        self.connections.check(connections)


@pytest.mark.parametrize("cycle", [None, Cycle(response_complete=True)])
def test_a_connection_without_a_request_is_closed(cycle: Cycle | None) -> None:
    watched, held = Watched(), Held(cycle)
    watched.check(held)
    watched.check(held, later=SILENT_SECONDS - 1)
    assert held.ended == []
    watched.check(held, later=1)
    assert held.ended == ["close"]


def test_requests_one_after_the_other_keep_a_connection_open() -> None:
    watched, held = Watched(), Held()
    for _ in range(5):
        held.cycle = Cycle(response_complete=True)
        watched.check(held, later=SILENT_SECONDS - 1)
    assert held.ended == []


def test_a_request_in_progress_has_no_time_limit_here() -> None:
    watched, held = Watched(), Held(Cycle())
    watched.check(held)
    watched.check(held, later=3_600)
    assert held.ended == []


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_connection_whose_answer_is_not_read_is_aborted(is_complete: bool) -> None:
    watched, held = Watched(), Held(Cycle(is_complete), unread_bytes=1)
    watched.check(held)
    watched.check(held, later=UNREAD_SECONDS - 1)
    assert held.ended == []
    watched.check(held, later=1)
    assert held.ended == ["abort"]


def test_a_full_server_waits_less_for_requests() -> None:
    watched, silent, busy = Watched(2), Held(), Held(Cycle())
    watched.check(silent, busy)
    watched.check(silent, busy, later=SILENT_SECONDS_WHEN_FULL)
    assert (silent.ended, busy.ended) == (["close"], [])
