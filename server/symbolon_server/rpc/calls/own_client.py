"""Clients of a server on the same machine, for what stands before it and speaks for others."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

from symbolon import Client, InvalidCredentialsError
from symbolon._calling.tokens import stay_on_this_machine
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.reloaded import read_file

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # not listened on
"""How a server is reached that listens on all of a machine's addresses."""


@dataclass(frozen=True, slots=True)
class OwnTls:
    """How the server's certificate is checked, and what the server may check in turn."""

    name: str
    """In the server's certificate; it is reached by a number."""

    authority: Path | None
    """Who vouches for it, as PEM; None: gRPC's own list."""

    certificate: Path
    """What the clients are known by, with its chain, where the server wants to know."""

    key: Path


@contextmanager
def clients_of(
    listen: ListenAddress, tls: OwnTls | None, count: int, timeout: float
) -> Iterator[list[Client]]:
    """Return clients with a connection each, so that the kernel gives them different processes.

    Each sends tokens where nobody can read them; `timeout` is in seconds. Raises
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
        return None  # another machine could be reached by it: gRPC then sends no token
