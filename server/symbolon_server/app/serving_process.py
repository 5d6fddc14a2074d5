"""One process that answers calls; run as a program it is one of several on a port."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version

from symbolon_server.app.errors import StartError
from symbolon_server.app.parts import lifetimes_of, spool_of, store_of
from symbolon_server.app.redis_servers import find_setup_problems, timeouts_of
from symbolon_server.app.signals import Signals
from symbolon_server.cache.circuit import Circuit
from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.held import count_held
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.servers import connect, read_facts, server_name
from symbolon_server.ingest.loader import ModuleLoader
from symbolon_server.ingest.queue import IngestQueue
from symbolon_server.rpc.addresses import ListenAddress
from symbolon_server.rpc.module_service import ModuleService
from symbolon_server.rpc.server import ListenError, RpcServer, ServerOptions
from symbolon_server.rpc.store_service import Probes, RedisProbe, StoreService, TierKind, TierProbe
from symbolon_server.rpc.symbolication_service import SymbolicationService, WaitLimits
from symbolon_server.rpc.validation import RequestLimits
from symbolon_server.rpc.waiting import WaitingRoom
from symbolon_server.settings import Settings, read_settings
from symbolon_server.symbolication.held import Held
from symbolon_server.symbolication.lookup import Tiers
from symbolon_server.symbolication.module_lookup import ModuleLookup
from symbolon_server.symbolication.symbolicator import Symbolicator
from symbolon_server.telemetry.logs import LogFormat, configure_logs

READY = "ready"
"""What the program writes to its output when it serves."""


class ServingProcess:
    """Everything that one process needs to answer calls."""

    def __init__(self, settings: Settings, *, is_port_shared: bool) -> None:
        self._grace_seconds = settings.shutdown_grace_seconds
        self._store_client = connect(settings.store_url, timeouts_of(settings))
        self._cache_client = connect(settings.cache_url, timeouts_of(settings))
        circuit = Circuit()
        queue = IngestQueue(self._cache_client, circuit)
        self._loader = ModuleLoader(self._cache_client, circuit)
        failures = FailureMemory(
            KeyedCache(self._cache_client, circuit=circuit), lifetimes_of(settings)
        )
        spool = spool_of(settings) if settings.spool_bytes else None
        tiers = Tiers(store_of(settings), spool, failures, self._loader)
        held = Held(settings.memory_bytes)
        symbolication = SymbolicationService(
            Symbolicator(tiers, held),
            RequestLimits(settings.max_modules, settings.max_frames),
            WaitLimits(settings.max_wait_seconds, settings.deadline_margin_seconds),
            WaitingRoom(settings.threads // 2).enter,
        )
        modules = ModuleService(
            ModuleLookup(tiers), lambda module_id: module_id not in queue.find_ended([module_id])
        )
        probes = Probes(
            store=RedisProbe(
                server_name(self._store_client), lambda: read_facts(self._store_client)
            ),
            cache=RedisProbe(
                server_name(self._cache_client), lambda: read_facts(self._cache_client)
            ),
            tiers=[
                TierProbe(TierKind.FRAMES, held.counts_of_frames),
                TierProbe(TierKind.MEMORY, held.counts_of_memory),
            ],
            count_held=lambda: count_held(self._store_client),
            count_queued=queue.length,
            find_warnings=lambda: [str(problem) for problem in find_setup_problems(settings)],
            server_version=_version(),
        )
        self._server = RpcServer(
            ServerOptions(
                listen=settings.listen,
                threads=settings.threads,
                max_calls_in_flight=settings.max_calls_in_flight,
                max_request_bytes=settings.max_request_bytes,
                is_port_shared=is_port_shared,
                allow_insecure_public=settings.allow_insecure_public,
            ),
            [symbolication.add_to, modules.add_to, StoreService(probes).add_to],
        )

    def start(self) -> ListenAddress:
        """Answer calls from now on; return the address with its port; raise `StartError`."""
        try:
            address = self._server.bind()
        except ListenError as error:
            raise StartError(str(error)) from error
        self._loader.start()
        self._server.start()
        return address

    def stop(self) -> None:
        """Refuse new calls, let those in flight finish, and let go of everything."""
        self._server.stop(self._grace_seconds)
        self._loader.close()
        self._cache_client.close()
        self._store_client.close()


def _version() -> str:
    try:
        return version("symbolon")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


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
