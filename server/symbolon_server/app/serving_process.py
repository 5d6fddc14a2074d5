"""One process that answers calls; run as a program it is one of several on a port."""

import os
import sys

from symbolon_server.app.errors import StartError
from symbolon_server.app.malloc import keep_memory_small
from symbolon_server.app.services import (
    SharedParts,
    make_answerer,
    make_module_service,
    make_store_service,
    server_options,
)
from symbolon_server.app.signals import Signals
from symbolon_server.rpc.addresses import ListenAddress, ListenError
from symbolon_server.rpc.server import RpcServer
from symbolon_server.rpc.streams import Streams
from symbolon_server.rpc.symbolication_service import SymbolicationService
from symbolon_server.rpc.waiting import WaitingRoom
from symbolon_server.settings import Settings, read_settings
from symbolon_server.telemetry.logs import LogFormat, configure_logs

READY = "ready"
"""What the program writes to its output when it serves."""


class ServingProcess:
    """Everything that one process needs to answer calls."""

    def __init__(self, settings: Settings, *, is_port_shared: bool) -> None:
        keep_memory_small()
        self._grace_seconds = settings.shutdown_grace_seconds
        self._parts = SharedParts(settings)
        answerer = make_answerer(settings, self._parts)
        self._streams = Streams(answerer, settings.max_streams, settings.threads)
        waiting_room = WaitingRoom(settings.threads // 2)
        self._server = RpcServer(
            server_options(settings, is_port_shared=is_port_shared),
            [
                SymbolicationService(answerer, waiting_room, self._streams).add_to,
                make_module_service(settings, self._parts).add_to,
                make_store_service(settings, self._parts).add_to,
            ],
        )

    def start(self) -> ListenAddress:
        """Answer calls from now on; return the address with its port; raise `StartError`."""
        try:
            address = self._server.bind()
        except ListenError as error:
            raise StartError(str(error)) from error
        self._parts.start()
        self._server.start()
        return address

    def stop(self) -> None:
        """Refuse new calls, let those in flight finish, and let go of everything."""
        self._server.stop(
            self._grace_seconds,
            hurry=self._parts.loader.stop_waiting,
            end_streams=self._streams.stop,
        )
        self._streams.close()
        self._parts.close()


def main() -> int:
    """Serve the settings of the environment until SIGTERM; return the exit code."""
    settings = read_settings({}, os.environ)
    configure_logs(sys.stderr, LogFormat(settings.log_format), settings.log_level)
    with Signals() as signals:
        process = ServingProcess(settings, is_port_shared=True)
        process.start()
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        while not signals.wait(None):
            pass
        process.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
