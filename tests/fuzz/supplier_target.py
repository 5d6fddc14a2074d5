"""Bytes as everything that a symbol server sends, from the status line on."""

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import Any
from unittest.mock import patch

import zstandard

from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.contents.errors import SupplierError
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.web.http import HttpSupplier, Surroundings
from symbolon_server.suppliers.web.retries import RetryPolicy
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fuzz.samples import MODULE_ID, symbol_texts
from tests.fuzz.target import Target
from tests.suppliers.contents.aws_framing import frame

_MOST_BYTES = 1 << 16
_MOST_UNPACKED = 1 << 20
_LIMITS = FetchLimits(
    connect_seconds=5.0,
    read_seconds=5.0,
    total_seconds=10.0,
    max_sent_bytes=_MOST_BYTES,
    max_unpacked_bytes=_MOST_UNPACKED,
)
_SURROUNDINGS = Surroundings(sleep=lambda _seconds: None)
_ADDRESSES = 100


def take(data: bytes) -> None:
    """Fetch the sample module from a server that answers everything with `data`."""
    server = _server()
    chain = server.next_chain(data)
    with server.nobody_else(), suppress(SupplierError):
        fetched = chain.fetch(AskedModule(MODULE_ID), _read)
        assert fetched.fetched_bytes <= len(data)


def _read(text: Iterator[bytes]) -> SymbolTable:
    return SymbolFileReader(MODULE_ID).read(text)


class _RawServer:
    """Answers each connection with the same bytes and closes it.

    It uses many loopback addresses, because a pair of addresses and ports cannot be reused for a
    minute.
    """

    def __init__(self) -> None:
        self._data = b""
        self._asked = 0
        self._listeners = [_listen(f"127.1.0.{number + 1}") for number in range(_ADDRESSES)]
        self._chains = [_make_chain(listener) for listener in self._listeners]
        for listener in self._listeners:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def next_chain(self, data: bytes) -> SupplierChain:
        """Return a supplier whose server answers with `data`."""
        self._data = data
        self._asked += 1
        return self._chains[self._asked % _ADDRESSES]

    def _serve(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with closing(connection), suppress(OSError):
                connection.recv(_MOST_BYTES)
                connection.sendall(self._data)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(_MOST_BYTES)

    @contextmanager
    def nobody_else(self) -> Iterator[None]:
        """Keep random redirects from reaching other hosts."""
        own = {listener.getsockname() for listener in self._listeners}
        resolve = socket.getaddrinfo

        def resolve_own(host: Any, port: Any, *more: Any, **others: Any) -> Any:
            if (host, port) not in own:
                raise socket.gaierror(socket.EAI_NONAME, "not while fuzzing")
            return resolve(host, port, *more, **others)

        with patch("socket.getaddrinfo", resolve_own):
            yield


def _listen(address: str) -> socket.socket:
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen()
    return listener


def _make_chain(listener: socket.socket) -> SupplierChain:
    address, port = listener.getsockname()
    url = ServerUrl.parse(f"http://{address}:{port}/")
    once = RetryPolicy(attempts=1)
    return SupplierChain(
        [HttpSupplier(url, "symbolon/fuzz", _LIMITS, once, surroundings=_SURROUNDINGS)]
    )


@cache
def _server() -> _RawServer:
    return _RawServer()


def _seeds() -> list[bytes]:
    text = symbol_texts()[1]
    packed, zstd_frame = gzip.compress(text, mtime=0), zstandard.compress(text)
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
    return [
        _response(b"200 OK", text),
        _response(b"200 OK", packed, b"Content-Encoding: gzip"),
        _response(b"200 OK", zstd_frame, b"Content-Encoding: zstd", b"Server: x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
        b"HTTP/1.0 200 OK\r\n\r\n" + text,
        _response(b"200 OK", frame(text, 1024), b"Content-Encoding: aws-chunked"),
        _response(b"200 OK", frame(packed, is_signed=False)),
        _response(b"404 Not Found", b"no"),
        _response(b"429 Slow Down", b"", b"Retry-After: 7", b"Date: Tue, 24 Nov 2026 10:00:00 GMT"),
        _response(b"302 Found", b"", b"Location: /elsewhere?x=1"),
        _response(b"301 Moved", b"", b"Location: http://user:pass@[::1]:80/\xff"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + _response(b"200 OK", text),
    ]


def _response(status: bytes, body: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, length, *headers, b"", body])


TARGET = Target(take, _seeds, longest=8_192)
