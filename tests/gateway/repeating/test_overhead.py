"""Requests with much more than a body; the parser has no limit of its own."""

import socket

import pytest

from tests.app.conftest import PATIENCE_SECONDS
from tests.gateway.asking import V5

PIECE = b"x" * 2**16
MOST_BYTES = 2**22


def send_until_refused(address: str, first: bytes, piece: bytes) -> bytes:
    """Send one piece after the other, until the gateway answers; return the answer."""
    host, _, port = address.rpartition(":")
    sent = 0
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(first)
        try:
            while sent < MOST_BYTES:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            return b"refused"
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1 << 16)


@pytest.mark.promise("What a caller sends beside a body takes bounded memory")
@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", PIECE),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: 1\r\n" * 10_000),
        (b"GET /", PIECE),
        (b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n\r\n1;", PIECE),
        (
            b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n\r\n0\r\n",
            b"X: 1\r\n" * 10_000,
        ),
    ],
    ids=["a header", "headers", "a path", "a chunk's extension", "trailers"],
)
def test_what_does_not_end_is_refused(gateway: str, first: bytes, piece: bytes) -> None:
    answer = send_until_refused(gateway, first.replace(b"%b", V5.encode()), piece)
    assert answer == b"refused" or answer.startswith(b"HTTP/1.1 4")


def test_a_body_in_chunks_of_a_byte_is_read(gateway: str) -> None:
    body = b'{"memoryMap": [], "stacks": [[]]}' + b" " * 30_000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = f"POST {V5} HTTP/1.0\r\n".replace("1.0", "1.1").encode()
    head += b"Host: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    host, _, port = gateway.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(head + chunks + b"0\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_an_offer_to_upgrade_is_ignored(gateway: str) -> None:
    """As curl --http2 makes it."""
    body = b'{"memoryMap": [], "stacks": [[]]}'
    head = f"POST {V5} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode()
    head += b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    host, _, port = gateway.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(head + b"\r\n" + body)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


@pytest.mark.promise("A proxy and the gateway never see different requests on one connection")
@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 2\r\nContent-Length: 2\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: 2, 2\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: 1\r\n Content-Length: 2\r\n",
        b"X: 1\nContent-Length: 2\r\n",
    ],
)
def test_an_ambiguous_length_is_refused(gateway: str, headers: bytes) -> None:
    host, _, port = gateway.rpartition(":")
    head = f"POST {V5} HTTP/1.1\r\nHost: localhost\r\n".encode()
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(head + headers + b"\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1 << 16)[:10] in {b"HTTP/1.1 4", b""}


def exchange(address: str, sent: bytes) -> bytes:
    """Send everything; return all that comes until the gateway closes the connection."""
    host, _, port = address.rpartition(":")
    answers = b""
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(sent)
            while piece := connection.recv(1 << 16):
                answers += piece
        except ConnectionError:  # it was closed before it read everything
            pass
    return answers


CHUNKS = b'21\r\n{"memoryMap": [], "stacks": [[]]}\r\n0\r\n'
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"


@pytest.mark.promise("What a caller sends beside a body takes bounded memory")
def test_a_trailer_is_no_longer_after_a_large_body(gateway: str) -> None:
    """Each piece of a trailer of 64 MB was added to a copy of those before, for seconds."""
    head = f"POST {V5} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"EA60\r\n" + b" " * 60_000 + b"\r\n0\r\nX: "
    answer = exchange(gateway, head + chunks + b"x" * 460_000)
    assert answer == b"" or answer.endswith(b"The headers are too large.")


@pytest.mark.parametrize("trailer", [b"Content-Encoding: gzip", b"Origin: http://elsewhere.test"])
def test_a_trailer_is_no_header(gateway: str, trailer: bytes) -> None:
    head = f"POST {V5} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
    sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS + trailer + b"\r\n\r\n"
    assert exchange(gateway, sent).startswith(b"HTTP/1.1 200 ")


@pytest.mark.promise("A proxy and the gateway never see different requests on one connection")
@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.0", UPGRADE + b"Transfer-Encoding: chunked\r\n", 400),
        ("1.1", b"Transfer-Encoding: gzip, chunked\r\n", 501),
        ("2.0", b"Transfer-Encoding: chunked\r\n", 505),
        ("0.9", b"Transfer-Encoding: chunked\r\n", 505),
    ],
)
def test_chunks_that_a_proxy_may_not_know_are_refused(
    gateway: str, version: str, headers: bytes, status: int
) -> None:
    head = f"POST {V5} HTTP/{version}\r\nHost: localhost\r\n".encode()
    answer = exchange(gateway, head + headers + b"\r\n" + CHUNKS + b"\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


FIRST = b"GET /__heartbeat__ HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.promise("A proxy and the gateway never see different requests on one connection")
@pytest.mark.parametrize(
    "second",
    [
        b"GET /__version__ HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE + b"\r\n",
        b"GET /__version__ HTTP/1.1\r\nX : 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n?\r\n",
    ],
    ids=["an upgrade", "an error", "an error in a body"],
)
def test_a_request_is_never_answered_with_the_answer_to_the_next(
    gateway: str, second: bytes
) -> None:
    answers = exchange(gateway, FIRST + second)
    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.endswith(b'\r\n\r\n{"status": "ok"}')


@pytest.mark.promise("What a caller sends beside a body takes bounded memory")
def test_few_pipelined_requests_wait_for_their_turn(gateway: str) -> None:
    answers = exchange(gateway, FIRST * 8_000)
    assert answers.count(b"HTTP/1.1 ") < 100


def test_a_request_without_a_host_is_refused(gateway: str) -> None:
    host, _, port = gateway.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
