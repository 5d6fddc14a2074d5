"""One process that answers calls."""

from contextlib import ExitStack
from typing import NamedTuple

from symbolon_server.app import StartError
from symbolon_server.app.process.collector import resume_collector
from symbolon_server.app.process.cores import claim_core, on_one_core
from symbolon_server.app.process.heap_keeper import HeapKeeper
from symbolon_server.app.wiring.services import (
    SharedParts,
    make_answerer,
    make_module_service,
    make_store_service,
    server_options,
)
from symbolon_server.app.wiring.tracing import traced
from symbolon_server.rpc.access.access import AccessControl
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError
from symbolon_server.rpc.calls.call_limits import UnreadAnswers
from symbolon_server.rpc.serving.server import RpcServer
from symbolon_server.rpc.symbolicate.service import SymbolicationService
from symbolon_server.rpc.symbolicate.streams import Streams
from symbolon_server.rpc.symbolicate.waiting_room import WaitingRoom
from symbolon_server.settings import Settings
from symbolon_server.telemetry.lasting_threads import Vitals
from symbolon_server.telemetry.pulse import Condition


class ServerProcess:
    """Everything that one process needs to answer calls."""

    def __init__(
        self, settings: Settings, *, is_port_shared: bool, gateway_secret: str = ""
    ) -> None:
        self._grace_seconds = settings.shutdown_grace_seconds
        self._vitals = vitals = Vitals()
        self._traces = ExitStack()
        tracer = self._traces.enter_context(traced(settings, "symbolon-server"))
        self._parts = SharedParts(settings, vitals)
        answerer = make_answerer(settings, self._parts)
        self._heap_keeper = HeapKeeper(settings.memory_bytes, vitals)
        unread = UnreadAnswers(settings.max_unread_bytes)
        options = server_options(settings, is_port_shared=is_port_shared)
        access = AccessControl(options.protection.tokens, gateway_secret)
        self._streams = Streams(
            answerer,
            settings.max_streams,
            settings.threads,
            unread,
            idle_seconds=settings.stream_idle_seconds,
            name_caller=access.name_caller,
        )
        waiting_room = WaitingRoom(settings.threads // 2)
        self._protection = options.protection
        self._server = RpcServer(
            options,
            [
                SymbolicationService(
                    answerer, waiting_room, self._streams.handler(), access.name_caller
                ).add_to,
                make_module_service(settings, self._parts, access.name_caller).add_to,
                make_store_service(settings, self._parts).add_to,
            ],
            unread,
            access,
            vitals,
            tracer=tracer,
        )

    def start(self) -> ListenAddress:
        """Start to answer calls; return the address with its port; raise `StartError`."""
        try:
            address = self._server.bind()
        except ListenError as error:
            raise StartError(str(error)) from error
        self._parts.start()
        self._server.start()
        self._heap_keeper.start()
        return address

    def reload(self) -> None:
        """Reload certificates and tokens, even if their files seem unchanged."""
        self._protection.read_again()

    def condition(self) -> Condition:
        """Return what to tell probes. It agrees with the health that callers are told."""
        if not self._vitals.are_sound():
            return Condition.FAILING
        return Condition.READY if self._server.is_serving() else Condition.STOPPING

    def begin_to_stop(self) -> None:
        """Report NOT_SERVING, but answer the calls that the HTTP gateway still has to make."""
        self._server.begin_to_stop()

    def stop(self) -> None:
        """Refuse new calls, let those in flight finish, and close everything."""
        self._server.stop(
            self._grace_seconds,
            hurry=self._parts.loader.stop_waiting,
            end_streams=self._streams.stop,
        )
        self._streams.close()
        self._parts.close()
        self._heap_keeper.close()
        self._traces.close()


class StartedServer(NamedTuple):
    """A process that answers calls."""

    process: ServerProcess
    address: ListenAddress


def start_server_process(
    settings: Settings, *, is_port_shared: bool, gateway_secret: str
) -> StartedServer:
    """Start a process that answers calls, and return it with its address; raise `StartError`.

    Its threads are pinned to a core of its own if the settings say so.
    """
    with on_one_core(claim_core(settings.one_core)):
        process = ServerProcess(
            settings, is_port_shared=is_port_shared, gateway_secret=gateway_secret
        )
        address = process.start()
    resume_collector(is_rare=True)
    return StartedServer(process, address)
