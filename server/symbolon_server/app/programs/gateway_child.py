"""The HTTP gateway as a program of its own, beside the processes that answer gRPC.

It calls them as every other client does: so it takes part in their limits and their memory, and
no thread of theirs waits for HTTP.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from symbolon_server.app.process.children import Child
from symbolon_server.app.process.errors import StartError
from symbolon_server.app.process.reserved_port import reserve
from symbolon_server.rpc.access.forwarded import SECRET_VARIABLE
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.own_client import OwnTls
from symbolon_server.settings import Settings

READY = "ready"
"""What the program writes to its output when it serves."""

_PATIENCE_SECONDS = 5.0
"""For the program to end after its grace period."""


@contextmanager
def gateway_program(
    settings: Settings, http: ListenAddress, secret: str
) -> Iterator[tuple[Child, ListenAddress]]:
    """Run a gateway until the end of the context; yield it with its address.

    `settings.listen` is where gRPC is served already; by the `secret` it is believed there for whom
    it calls. Raises `StartError`.
    """
    port, address = reserve(http)
    own = {**replace(settings, http=address).as_environment(), SECRET_VARIABLE: secret}
    environment = {**os.environ, **own}
    child = Child(
        "http gateway", ["symbolon_server.app.programs.gateway_main"], environment, reports=True
    )
    try:
        if child.read_report() != READY:
            raise StartError("the HTTP gateway ended at its start; the log says why")
        yield child, address
    finally:
        child.stop(settings.shutdown_grace_seconds + _PATIENCE_SECONDS)
        port.close()


def tls_of(settings: Settings) -> OwnTls | None:
    """Return how the gateway reaches a server with TLS, None for one without.

    Raises `StartError` where the settings do not say.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    if settings.http_server_name is None:
        raise StartError(
            "SYMBOLON_HTTP with TLS needs SYMBOLON_HTTP_SERVER_NAME: a name in the certificate "
            "SYMBOLON_TLS_CERT"
        )
    return OwnTls(
        settings.http_server_name, settings.http_server_ca, settings.tls_cert, settings.tls_key
    )
