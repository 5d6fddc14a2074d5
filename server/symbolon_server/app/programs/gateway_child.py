"""The HTTP gateway as a program of its own, beside the processes that answer gRPC.

It calls them like any other client: it shares their limits and their memory, and none of their
threads waits for HTTP.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from symbolon_server.app import StartError
from symbolon_server.app.process.children import Child
from symbolon_server.app.process.reserved_port import reserve
from symbolon_server.rpc.access.access import SECRET_VARIABLE
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import Settings

_PATIENCE_SECONDS = 5.0
"""Time for the program to end after its grace period."""


@contextmanager
def gateway_program(
    settings: Settings, http: ListenAddress, secret: str
) -> Iterator[tuple[Child, ListenAddress]]:
    """Run a gateway until the end of the context; yield it with its address.

    gRPC must already be served at `settings.listen`, where the `secret` proves the addresses of the
    gateway's callers. Raises `StartError`.
    """
    port, address = reserve(http)
    own = {**replace(settings, http=address).as_environment(), SECRET_VARIABLE: secret}
    environment = {**os.environ, **own}
    child = Child(
        "http gateway", ["symbolon_server.app.programs.gateway_main"], environment, has_report=True
    )
    try:
        if not child.wait_until_ready():
            raise StartError("the HTTP gateway ended during its start; see the log")
        yield child, address
    finally:
        child.stop(settings.shutdown_grace_seconds + _PATIENCE_SECONDS)
        port.close()
