"""Clients of a server on the same machine, for the HTTP gateway in front of it."""

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import Any, Self

import grpc

from symbolon import Client, InvalidCredentialsError
from symbolon._calling.tokens import stay_on_this_machine
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.own_tls import OwnTls
from symbolon_server.rpc.calls.reloaded import Reloaded, UnusableFileError, read_file

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # not listened on
"""How to reach a server that listens on all addresses of its machine."""


class OwnClients:
    """Clients that take turns, and are replaced when the files of their TLS change.

    With separate connections the kernel can give each client a different server process. Tokens
    are sent over TLS or within this machine only. Any thread may call `take`, one thread refreshes
    the files. A replaced client is closed at the end, or with a later replacement once all of its
    calls are over.
    """

    def __init__(
        self,
        listen: ListenAddress,
        tls: OwnTls | None,
        number: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make `number` clients at a time; no call takes longer than `timeout` seconds.

        Raises `UnusableFileError`.
        """
        self._target = str(replace(listen, host=_EVERY_ADDRESS.get(listen.host, listen.host)))
        self._tls = tls
        self._number = number
        self._timeout = timeout
        self._clock = clock
        self._turns = count()
        self._clients: list[Client] = []
        self._replaced: list[tuple[float, list[Client]]] = []
        """Those that may still have calls, with the time of their replacement."""

        self.files: Reloaded[None] | None = None
        """What follows the files of TLS; None without TLS."""

        if tls is None:
            self._renew()
        else:
            self.files = Reloaded(tls.files, self._renew)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for clients in (self._clients, *(clients for _, clients in self._replaced)):
            _close(clients)

    def take(self) -> Client:
        """Return the client whose turn it is."""
        clients = self._clients
        return clients[next(self._turns) % len(clients)]

    def _renew(self) -> None:
        """Replace the clients; raise `UnusableFileError`."""
        credentials = _credentials(self._target, self._tls)
        options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
        if self._tls is not None:
            options.append(("grpc.ssl_target_name_override", self._tls.name))
        made = [
            Client(self._target, timeout=self._timeout, credentials=credentials, options=options)
            for _ in range(self._number)
        ]
        now = self._clock()
        for since, clients in self._replaced:
            if since + self._timeout < now:
                _close(clients)
        self._replaced = [one for one in self._replaced if one[0] + self._timeout >= now]
        if self._clients:
            self._replaced.append((now, self._clients))
        self._clients = made


def _close(clients: Iterable[Client]) -> None:
    for client in clients:
        client.close()


def _credentials(target: str, tls: OwnTls | None) -> grpc.ChannelCredentials | None:
    if tls is not None:
        _check(tls)
        authority = None if tls.authority is None else read_file(tls.authority)
        return grpc.ssl_channel_credentials(
            authority, read_file(tls.key), read_file(tls.certificate)
        )
    try:
        return stay_on_this_machine(target)
    except InvalidCredentialsError:
        return None  # the target may be another machine: gRPC then sends no token


def _check(tls: OwnTls) -> None:
    """Raise `UnusableFileError` for unusable files; gRPC would only fail to connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")  # or it would prompt for one
        if tls.authority is not None:
            context.load_verify_locations(tls.authority)
    except OSError as error:
        files = ", ".join(map(str, tls.files))
        raise UnusableFileError(f"cannot use {files}: {error}") from error
