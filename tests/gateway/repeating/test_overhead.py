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


def test_a_request_without_a_host_is_refused(gateway: str) -> None:
    host, _, port = gateway.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
