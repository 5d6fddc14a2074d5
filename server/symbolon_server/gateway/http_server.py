"""The HTTP server of the gateway, which closes connections that hold a place without using it."""

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from symbolon_server.gateway.admission import RETRY_AFTER
from symbolon_server.gateway.refusals import Refused, answer_to
from symbolon_server.rpc.calls.reloaded import Reloaded, UnusableFileError
from symbolon_server.telemetry.ignored_signals import IGNORED, log_ignored

_TICKS_PER_CHECK = 10
"""Between checks of the certificate's files and of connections; a tick is a tenth of a second."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the gateway serves."""

    max_connections: int
    """Further ones are told so, and closed after their first request."""

    grace_seconds: float
    """For requests in flight when the gateway stops."""

    certificate: Path | None = None
    """Certificate with its chain (PEM), reloaded when it changes; None: not encrypted."""

    key: Path | None = None
    client_authority: Path | None = None
    """CA bundle for client certificates (PEM); None: clients need no certificate."""


def serve_http(
    web_app: ASGIApp,
    port: socket.socket,
    options: HttpOptions,
    announce: Callable[[], None],
    on_hang_up: Callable[[], None],
    *,
    followed: Reloaded[None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; call `announce` once requests are answered.

    The certificate, and what else is `followed`, is reloaded when it changes. SIGHUP reloads both
    and calls `on_hang_up`.
    """
    client_authority = options.client_authority
    config = uvicorn.Config(
        web_app,
        # Its log records go to our handlers; the gRPC server logs the calls.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        limit_concurrency=options.max_connections,
        timeout_graceful_shutdown=round(options.grace_seconds),
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
        ssl_ca_certs=None if client_authority is None else str(client_authority),
        ssl_cert_reqs=ssl.CERT_NONE if client_authority is None else ssl.CERT_REQUIRED,
    )
    config.load()
    all_followed = [one for one in (_follow(config.ssl, options), followed) if one is not None]
    server = _Server(config, announce, on_hang_up, all_followed, options.max_connections)
    server.run(sockets=[port])


def _follow(live: ssl.SSLContext | None, options: HttpOptions) -> Reloaded[None] | None:
    """Return what keeps the certificate of new connections up to date with its files."""
    certificate, key = options.certificate, options.key
    if live is None or certificate is None or key is None:
        return None

    def read() -> None:
        try:
            # First into a spare context: the live one would keep a certificate without its key.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), live):
                context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise UnusableFileError(f"cannot use {certificate} with {key}: {error}") from error

    return Reloaded([certificate, key], read)


_MOST_OVERHEAD: Final = 64 * 2**10
_OVERHEAD_OF_A_BYTE: Final = 8
"""Of a body that comes in chunks of a byte each: its size, and the ends of two lines; then some."""

_MOST_PIPELINED: Final = 32
"""Requests of one connection that wait for their turn."""


_REFUSE_CONNECTION: Final = answer_to(
    Refused(503, "too many connections are open; try again", {**RETRY_AFTER, "Connection": "close"})
)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol in C, without the faults of the parser and of its use.

    uvicorn refuses every request while there are too many connections: here those connections are
    refused that came when there were too many already, and nobody else notices.

    They limit neither headers, trailers nor pipelined requests, and add trailers to the headers.
    And the body of a request that offers an upgrade is dropped, as Java's client does with each
    first one: h11 reads such connections.
    """

    _received = 0
    _body = 0
    _since_body = 0
    """Bytes since a piece of the body: the parser copies a long trailer with each more of it."""

    _before: Any = None
    """The request before the one that is read: uvicorn's cycle."""

    _is_ending = False
    """Whether the connection is closed after the requests that came: no more are read."""

    def connection_made(self, transport: Any) -> None:
        """Begin a connection, which is refused if there are too many."""
        super().connection_made(transport)
        limit, self.limit_concurrency = self.limit_concurrency, None
        if limit is not None and len(self.connections) > limit:
            self.app = _REFUSE_CONNECTION

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request."""
        if self._is_ending:
            return
        self._received += len(data)
        self._since_body += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_answering():
                self._end()
            else:
                self._continue_with_h11(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")
            return
        overhead = self._received - self._body - _OVERHEAD_OF_A_BYTE * self._body
        if max(overhead, self._since_body) > _MOST_OVERHEAD:
            self._refuse("The headers are too large.")

    def on_headers_complete(self) -> None:
        """Begin a request; what it has in trailers is not added to its headers."""
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._end()
        if not self._is_ending:
            self._before = self.cycle
            super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body += len(body)
        self._since_body = 0
        if not self._is_ending:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._received = self._body = self._since_body = 0
        if not self._is_ending:
            super().on_message_complete()

    def _is_answering(self) -> bool:
        """Return whether a request before this one has no answer yet."""
        cycle: _Cycle | None = self.cycle
        return cycle is not None and not (cycle.more_body or cycle.response_complete)

    def _refuse(self, reason: str) -> None:
        if self.pipeline and self.cycle.more_body:  # its own headers were read, and it waits
            self.pipeline.popleft()
            self.cycle = self._before
        if self._is_answering():
            self._end()
        else:
            self.send_400_response(reason)

    def _end(self) -> None:
        """Answer the requests before this one, then close: its answer would be taken for theirs."""
        self._is_ending = True
        self.cycle.keep_alive = False

    def _should_upgrade(self) -> bool:
        return True

    def _continue_with_h11(self, rest: bytes) -> None:
        """Leave the connection, and the request whose headers were read, to h11."""
        version = self.parser.get_http_version().encode()
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.scope["headers"]:
            head += [name, b": ", value, b"\r\n"]
        self.connections.discard(self)
        other = _PlainHttp(self.config, self.server_state, self.app_state)
        other.app, other.limit_concurrency = self.app, None
        other.connection_made(self.transport)
        self.transport.set_protocol(other)
        other.data_received(b"".join([*head, b"\r\n", rest]))


class _PlainHttp(H11Protocol):
    """Answers as if no upgrade was offered, and logs nothing: callers could fill the log."""

    def _should_upgrade(self) -> bool:
        return False


SILENT_SECONDS: Final = 10.0
"""For the headers of a request to arrive."""

SILENT_SECONDS_WHEN_FULL: Final = 1.0

UNREAD_SECONDS: Final = 30.0
"""For a whole answer to leave: as long as a whole body may take to arrive."""


class _Cycle(Protocol):
    more_body: bool
    response_complete: bool


class Connection(Protocol):
    """The part of uvicorn's connection class that is used here."""

    transport: asyncio.Transport

    @property
    def cycle(self) -> _Cycle | None:
        """The latest request and its response, or None before the first."""


class _Step(Enum):
    SILENT = auto()
    BUSY = auto()
    UNREAD = auto()


class _Seen(NamedTuple):
    cycle: _Cycle | None
    step: _Step
    since: float


class HeldConnections:
    """Tracks how long each connection has been in the same step of the same request.

    uvicorn limits only the time between two requests, not the time before the first request, for an
    incomplete header, or for an answer that is not read.
    """

    def __init__(self, max_connections: int, clock: Callable[[], float] = time.monotonic) -> None:
        """With `max_connections` the server is full, and closes silent connections sooner."""
        self._max_connections = max_connections
        self._clock = clock
        self._seen: dict[Connection, _Seen] = {}

    def check(self, connections: Collection[Connection]) -> None:
        """Close the connections that have taken too long; call this every second."""
        is_full = len(connections) >= self._max_connections
        silent_seconds = SILENT_SECONDS_WHEN_FULL if is_full else SILENT_SECONDS
        now = self._clock()
        self._seen = {connection: self._see(connection, now) for connection in connections}
        for connection, seen in self._seen.items():
            if seen.step is _Step.SILENT and now - seen.since >= silent_seconds:
                connection.transport.close()
            elif seen.step is _Step.UNREAD and now - seen.since >= UNREAD_SECONDS:
                connection.transport.abort()

    def _see(self, connection: Connection, now: float) -> _Seen:
        cycle, step = connection.cycle, _step_of(connection)
        before = self._seen.get(connection)
        if before is not None and before.cycle is cycle and before.step is step:
            return before
        return _Seen(cycle, step, now)


def _step_of(connection: Connection) -> _Step:
    if connection.transport.get_write_buffer_size():
        return _Step.UNREAD
    cycle = connection.cycle
    return _Step.SILENT if cycle is None or cycle.response_complete else _Step.BUSY


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        on_hang_up: Callable[[], None],
        followed: Sequence[Reloaded[None]],
        max_connections: int,
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._on_hang_up = on_hang_up
        self._followed = followed
        self._held = HeldConnections(max_connections)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_CHECK == 0:
            for one in self._followed:
                one.refresh()
            connections: Any = self.server_state.connections
            self._held.check(connections)
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        for number in IGNORED:
            loop.add_signal_handler(number, log_ignored, number)
        self._announce()

    def _hang_up(self) -> None:
        for one in self._followed:
            one.read_again()
        self._on_hang_up()
