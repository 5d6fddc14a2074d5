"""Several serving processes on one port."""

import os
from collections.abc import Mapping
from dataclasses import replace

from symbolon_server.app.process.children import Child
from symbolon_server.app.process.errors import StartError
from symbolon_server.app.process.reserved_port import reserve
from symbolon_server.app.programs.server_main import READY
from symbolon_server.settings import Settings

_PROGRAM = "symbolon_server.app.programs.server_main"
_PATIENCE_SECONDS = 5.0
"""For a process to end after its grace period."""


class ServerChildren:
    """As many serving processes as the settings say; the kernel spreads connections over them.

    They are programs of their own: forking a process with gRPC in it hangs.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Start all of them and return when all serve; raise `StartError`."""
        self._port, self.address = reserve(settings.listen)
        self._grace_seconds = settings.shutdown_grace_seconds
        settings = replace(settings, listen=self.address)
        environment = {**os.environ, **environment, **settings.as_environment()}
        self.children = [
            Child(f"serving process {number}", [_PROGRAM], environment, reports=True)
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
