"""Several serving processes on one port."""

import os
from collections.abc import Mapping
from dataclasses import replace

from symbolon_server.app import StartError
from symbolon_server.app.process.children import Child
from symbolon_server.app.process.reserved_port import reserve
from symbolon_server.settings import Settings

_PROGRAM = "symbolon_server.app.programs.server_main"
_PATIENCE_SECONDS = 5.0
"""Time for a process to end after its grace period."""


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
            Child(f"serving process {number}", [_PROGRAM], environment, has_report=True)
            for number in range(1, settings.processes + 1)
        ]
        if not all(child.wait_until_ready() for child in self.children):
            self.stop()
            raise StartError("a serving process ended during its start; see the log")

    def stop(self) -> None:
        """Stop all in parallel; their calls in flight finish within the grace period."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop(self._grace_seconds + _PATIENCE_SECONDS)
        self._port.close()
