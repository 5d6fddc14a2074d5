"""Several serving processes on one port."""

import os
import socket
from collections.abc import Mapping
from dataclasses import replace

from symbolon_server.app.children import Child
from symbolon_server.app.errors import StartError
from symbolon_server.app.serving_process import READY
from symbolon_server.rpc.addresses import ListenAddress, ListenError
from symbolon_server.rpc.server import check_port
from symbolon_server.settings import Settings

_PROGRAM = "symbolon_server.app.serving_process"
_PATIENCE_SECONDS = 5.0
"""For a process to end after its grace period."""


class ServingProcesses:
    """As many serving processes as the settings say; the kernel spreads connections over them.

    They are programs of their own: forking a process with gRPC in it hangs.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Start all of them and return when all serve; raise `StartError`."""
        self._port, self.address = _reserve(settings.listen)
        self._grace_seconds = settings.shutdown_grace_seconds
        settings = replace(settings, listen=self.address)
        environment = {**os.environ, **environment, **settings.as_environment()}
        self.children = [
            Child(f"serving process {number}", [_PROGRAM, str(number)], environment, reports=True)
            for number in range(1, settings.processes + 1)
        ]
        if any(child.read_report() != READY for child in self.children):
            self.stop()
            raise StartError("a serving process ended at its start; the log says why")

    def stop(self) -> None:
        """Stop all of them, side by side; their calls in flight finish within the grace period."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop(self._grace_seconds + _PATIENCE_SECONDS)
        self._port.close()


def _reserve(listen: ListenAddress) -> tuple[socket.socket, ListenAddress]:
    """Take the port without listening, so that nobody else gets it while a process restarts.

    Every process that shares a port says so; one without that wish is refused, and so are we
    by a server that has the port alone.
    """
    try:
        check_port(listen)
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM
        )[0]
        port = socket.socket(family, kind, protocol)
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port.bind(address)
    except (ListenError, OSError) as error:
        raise StartError(str(error)) from error
    return port, ListenAddress(listen.host, port.getsockname()[1])
