"""What `serve` starts beside itself: several serving processes on one port, and the HTTP gateway.

The gateway calls the serving processes like any other client: it shares their limits and their
memory, and none of their threads waits for HTTP.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from symbolon_server.app import StartError
from symbolon_server.app.process.children import Child
from symbolon_server.app.process.reserved_port import reserve
from symbolon_server.rpc.access.forwarding import SECRET_VARIABLE
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import Settings

_SERVER = "symbolon_server.app.programs.server_main"
_GATEWAY = "symbolon_server.app.programs.gateway_main"
_PATIENCE_SECONDS = 5.0
"""Time for a program to end after its grace period."""


class ServerChildren:
    """The serving processes; the kernel spreads connections over them.

    They are programs of their own: a process that has loaded gRPC hangs if it forks.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Start all processes and wait until they serve; raise `StartError`."""
        self._port, self.address = reserve(settings.listen)
        self._grace_seconds = settings.shutdown_grace_seconds
        settings = replace(settings, listen=self.address)
        environment = {**os.environ, **environment, **settings.as_environment()}
        self.children = [
            Child(f"serving process {number}", [_SERVER], environment, has_report=True)
            for number in range(1, settings.processes + 1)
        ]
        if not all(child.wait_until_ready() for child in self.children):
            self.stop()
            raise StartError("a serving process ended during its start; see the log")

    def begin_to_stop(self) -> None:
        """Let all report NOT_SERVING, and answer calls until `stop`."""
        for child in self.children:
            child.announce_stop()

    def stop(self) -> None:
        """Stop all in parallel; their calls in flight finish within the grace period."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop(self._grace_seconds + _PATIENCE_SECONDS)
        self._port.close()


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
    child = Child("http gateway", [_GATEWAY], environment, has_report=True)
    try:
        if not child.wait_until_ready():
            raise StartError("the HTTP gateway ended during its start; see the log")
        yield child, address
    finally:
        child.stop(settings.shutdown_grace_seconds + _PATIENCE_SECONDS)
        port.close()
