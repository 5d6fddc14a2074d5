"""A fleet: servers and workers on hosts with spools of their own, and what they share."""

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import redis

from symbolon import Client
from symbolon_server.ingest.queueing.queue_view import QueueView
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import (
    PATIENCE_SECONDS,
    Launch,
    Program,
    StartProgram,
    environment_in,
    execute,
    starting,
    wait_until,
)
from tests.fixtures import scraping
from tests.fixtures.clusters import RunningCluster, running_cluster
from tests.fixtures.name_server import NameServer
from tests.fixtures.networks import free_port
from tests.fixtures.redis_fixtures import PATIENT
from tests.fixtures.symbol_server import SymbolServer
from tests.system.conftest import SMALL_MEMORY
from tests.system.processes import workers

FIRST_HOST: Final = 11
"""Last number of the first address; all are on loopback, as gRPC gives a name one port."""

Lookups = Mapping[str, tuple[float, float]]
"""Hits and misses of a server by tier, since its start."""


@dataclass(slots=True)
class Host:
    """One machine: its address, its spool, and what runs there."""

    address: str
    spool: Path
    server: Program | None = None
    worker: Program | None = None

    def spooled_modules(self) -> set[ModuleId]:
        """Return the modules in the spool."""
        paths = self.spool.glob("v*/*/*.pages")
        return {ModuleId.parse(path.parent.name, path.stem) for path in paths}


@dataclass(slots=True)
class Fleet:
    """All machines and what they share."""

    cluster: RunningCluster
    cache_port: int
    cache: redis.Redis
    supplier: SymbolServer
    names: NameServer
    port: int
    folder: Path
    start: StartProgram
    clients: ExitStack
    settings: Mapping[str, str]
    hosts: list[Host] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The name of all servers."""
        return f"dns://{self.names.address}/symbolon.example:{self.port}"

    def add_host(self) -> Host:
        """Add a machine on which nothing runs."""
        number = FIRST_HOST + len(self.hosts)
        host = Host(f"127.0.0.{number}", self.folder / f"spool-{number}")
        self.hosts.append(host)
        return host

    def serve(self, *hosts: Host) -> None:
        """Start servers, and add them to the name once they are ready."""
        for host in hosts:
            listen = {"listen": f"{host.address}:{self.port}", "metrics_listen": "127.0.0.1:0"}
            host.server = self.start("serve", **self._settings_on(host), **listen)
        for host in hosts:
            assert host.server is not None
            host.server.await_address()
        self._publish()

    def work(self, *hosts: Host) -> None:
        """Start workers, and wait until they are ready."""
        for host in hosts:
            host.worker = self.start("worker", **self._settings_on(host))
        for host in hosts:
            worker = host.worker
            assert worker is not None
            wait_until(lambda worker=worker: "worker_ready" in worker.log)  # type: ignore[misc]

    def remove_server(self, host: Host) -> int:
        """Take a server out of the name and stop it; return its exit code."""
        server, host.server = host.server, None
        assert server is not None
        self._publish()
        return server.end(signal.SIGTERM)

    def kill_server(self, host: Host) -> None:
        """Kill a server; the name still has it."""
        assert host.server is not None
        host.server.below()
        host.server.kill()

    def kill_worker(self, host: Host) -> set[ModuleId]:
        """Kill a worker with its ingest process; return the modules that it was working on."""
        assert host.worker is not None
        processes = [psutil.Process(host.worker.process.pid), *workers(host.worker)]
        processes += [child for one in processes[:1] for child in one.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        ours = {f"{socket.gethostname()}:{process.pid}" for process in processes}
        running = QueueView(self.cache, Circuit()).read().running
        host.worker.below()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        host.worker.kill()
        return {ingest.module_id for ingest in running if ingest.worker in ours}

    def evict_all(self) -> None:
        """Let the store lose every page and directory, as if evicted."""
        for number in range(len(self.cluster.nodes)):
            with suppress(redis.RedisError):  # killed, or a replica
                self.cluster.clients[number].flushall()

    def client_of(self, host: Host) -> Client:
        """Return a client of one server only."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"{host.address}:{self.port}"
        return self.clients.enter_context(
            Client(address, timeout=PATIENCE_SECONDS, options=options)
        )

    def lookups_of(self, host: Host) -> Lookups:
        """Return a server's hits and misses by tier."""
        assert host.server is not None
        found = scraping.scrape(scraping.find_address(host.server))
        return {
            tier: (
                found[scraping.of("symbolon_lookups_total", tier=tier, result="hit")],
                found[scraping.of("symbolon_lookups_total", tier=tier, result="miss")],
            )
            for tier in ("memory", "store", "spool")
        }

    @property
    def serving(self) -> Sequence[Host]:
        """The hosts with a server, killed ones included."""
        return [host for host in self.hosts if host.server is not None]

    def _publish(self) -> None:
        self.names.addresses = [host.address for host in self.serving]

    def _settings_on(self, host: Host) -> dict[str, str]:
        return {
            "suppliers": self.supplier.url,
            "store_url": self.cluster.url(),
            "cache_url": f"redis://127.0.0.1:{self.cache_port}",
            "spool_dir": str(host.spool),
            **self.settings,
        }


def hit_ratios(before: Lookups, after: Lookups) -> dict[str, float]:
    """Return the share of directories and pages found in memory, and in any tier.

    It is that of the time between two moments; empty if nothing was looked up.
    """
    hits = {tier: after[tier][0] - before[tier][0] for tier in after}
    asked = hits["memory"] + after["memory"][1] - before["memory"][1]
    if not asked:
        return {}
    found = hits["memory"] + hits["store"] + hits["spool"]
    return {"memory": hits["memory"] / asked, "all tiers": found / asked}


@contextmanager
def running_fleet(
    folder: Path, servers: int, workers: int, launch: Launch = execute, **settings: str
) -> Iterator[Fleet]:
    """Start hosts with a server and a worker each, as far as there are so many of them."""
    with ExitStack() as stack:
        enter = stack.enter_context
        cluster = enter(running_cluster(has_replicas=True))
        port = free_port()
        cache = enter(EmbeddedRedis.start("cache.conf", EmbeddedOptions(port=port)))
        fleet = Fleet(
            cluster,
            port,
            enter(connect(cache.url, PATIENT)),
            enter(SymbolServer(folder / "symbol-server")),
            enter(NameServer()),
            _port_free_on_all(),
            folder,
            enter(starting(environment_in(folder), folder, launch)),
            enter(ExitStack()),
            {**SMALL_MEMORY, **settings},
        )
        hosts = [fleet.add_host() for _ in range(max(servers, workers))]
        fleet.work(*hosts[:workers])
        fleet.serve(*hosts[:servers])
        yield fleet


def _port_free_on_all() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        number: int = probe.getsockname()[1]
        return number
