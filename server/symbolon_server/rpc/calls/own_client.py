"""Clients of a server on the same machine, for the HTTP gateway in front of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import grpc

from symbolon import Client, InvalidCredentialsError
from symbolon._calling.tokens import stay_on_this_machine
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.own_tls import OwnTls
from symbolon_server.rpc.calls.reloaded import read_file

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # not listened on
"""How to reach a server that listens on all addresses of its machine."""


@contextmanager
def clients_of(
    listen: ListenAddress, tls: OwnTls | None, count: int, timeout: float
) -> Iterator[list[Client]]:
    """Yield `count` clients with one connection each.

    With separate connections the kernel can give each client a different server process. Tokens
    are sent over TLS or within this machine only. `timeout` is in seconds. Raises
    `UnusableFileError`.
    """
    target = str(replace(listen, host=_EVERY_ADDRESS.get(listen.host, listen.host)))
    credentials = _credentials(target, tls)
    options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
    if tls is not None:
        options.append(("grpc.ssl_target_name_override", tls.name))
    with ExitStack() as opened:
        yield [
            opened.enter_context(
                Client(target, timeout=timeout, credentials=credentials, options=options)
            )
            for _ in range(count)
        ]


def _credentials(target: str, tls: OwnTls | None) -> grpc.ChannelCredentials | None:
    if tls is not None:
        authority = None if tls.authority is None else read_file(tls.authority)
        return grpc.ssl_channel_credentials(
            authority, read_file(tls.key), read_file(tls.certificate)
        )
    try:
        return stay_on_this_machine(target)
    except InvalidCredentialsError:
        return None  # the target may be another machine: gRPC then sends no token
