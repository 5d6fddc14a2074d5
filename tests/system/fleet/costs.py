"""What calls and ingests cost each part of a fleet, measured from outside."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from random import Random
from time import perf_counter
from typing import Any, Self

import psutil

from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from tests.app.conftest import Program
from tests.bench.world.caller import Caller
from tests.system.fleet.day import Report, report_of
from tests.system.fleet.fleet import Fleet, Host
from tests.system.known_modules import KnownModule

CALLERS = 4
"""Calls at a time to each server."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What parts of a fleet have used so far, or between two moments."""

    wall: float
    server_cpu: float
    worker_cpu: float
    client_cpu: float
    store_cpu: float
    store_commands: float
    store_bytes: float
    """Sent."""

    cache_cpu: float
    cache_commands: float
    """Those of scripts included."""

    busy_cpu: float
    """Of all processes of the machine."""

    def since(self, earlier: Self) -> "Meter":
        """Return the difference."""
        return Meter(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(Meter)))

    @property
    def own_cpu(self) -> float:
        """Of everything that belongs to the fleet."""
        parts = (self.server_cpu, self.worker_cpu, self.client_cpu, self.store_cpu, self.cache_cpu)
        return sum(parts)


def read_meter(fleet: Fleet, callers: Sequence[Caller] = ()) -> Meter:
    """Return what has been used so far."""
    stores = [node.info("everything") for node in fleet.cluster.clients]
    cache: Any = fleet.cache.info("everything")
    busy = psutil.cpu_times()
    return Meter(
        wall=perf_counter(),
        server_cpu=sum(_cpu_of(host.server) for host in fleet.hosts),
        worker_cpu=sum(_cpu_of(host.worker) for host in fleet.hosts),
        client_cpu=sum(caller.processor_seconds() for caller in callers),
        store_cpu=sum(map(_redis_cpu, stores)),
        store_commands=sum(map(_commands, stores)),
        store_bytes=sum(float(info["total_net_output_bytes"]) for info in stores),
        cache_cpu=_redis_cpu(cache),
        cache_commands=_commands(cache),
        busy_cpu=sum(busy) - busy.idle - busy.iowait - busy.guest - busy.guest_nice,
    )


def _cpu_of(program: Program | None) -> float:
    """Return the processor time of a program, with all that it started and that has ended."""
    if program is None:
        return 0.0
    total = 0.0
    for process in (psutil.Process(program.process.pid), *program.below()):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def _redis_cpu(info: Mapping[str, Any]) -> float:
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _commands(info: Mapping[str, Any]) -> float:
    return sum(float(row["calls"]) for name, row in info.items() if name.startswith("cmdstat_"))


@dataclass(frozen=True, slots=True)
class Burst:
    """A number of calls to all servers of a fleet, and what they used."""

    calls: int
    used: Meter
    request_bytes: float
    """Of one call."""

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.used.wall

    @property
    def cores_left(self) -> float:
        """The cores that other programs of the machine left to the fleet."""
        others = max(0.0, self.used.busy_cpu - self.used.own_cpu)
        return cores() - others / self.used.wall


class Load:
    """Calls the servers of a fleet, each from a process of its own."""

    def __init__(self, fleet: Fleet, callers: Sequence[Caller]) -> None:
        self._fleet = fleet
        self._callers = callers

    def run(self, hosts: Sequence[Host], requests: Sequence[bytes]) -> Burst:
        """Send all requests to each host."""
        callers = self._callers[: len(hosts)]
        before = read_meter(self._fleet, callers)
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(self._send, callers, hosts, [requests] * len(hosts)))
        used = read_meter(self._fleet, callers).since(before)
        return Burst(len(hosts) * len(requests), used, sum(map(len, requests)) / len(requests))

    def answer(self, host: Host, request: bytes) -> bytes:
        """Return the answer of a host to one request."""
        answer, _ = self._callers[0].call(f"{host.address}:{self._fleet.port}", request)
        return answer

    def _send(self, caller: Caller, host: Host, requests: Sequence[bytes]) -> None:
        caller.each(f"{host.address}:{self._fleet.port}", requests, CALLERS)


@dataclass(frozen=True, slots=True)
class Connections:
    """How many connections a program has, to all nodes of the store and to the cache."""

    store: int
    cache: int


def connections_of(fleet: Fleet, program: Program | None) -> Connections:
    """Return the connections of a program now."""
    assert program is not None
    processes = (psutil.Process(program.process.pid), *program.below())
    found = [each for process in processes for each in process.net_connections("tcp")]
    ports = [each.raddr.port for each in found if each.status == "ESTABLISHED"]
    store = sum(port in fleet.cluster.ports for port in ports)
    return Connections(store, ports.count(fleet.cache_port))


def store_bytes(fleet: Fleet) -> float:
    """Return the memory that the primaries of the store use."""
    found = [fleet.cluster.clients[number].info("memory") for number in fleet.cluster.primaries()]
    return sum(float(info["used_memory"]) for info in found)


def cores() -> int:
    """Return the number of cores of this machine."""
    return psutil.cpu_count() or 1


@contextmanager
def loading(fleet: Fleet, most_servers: int) -> Iterator[Load]:
    """Return a load for up to so many servers."""
    with ExitStack() as stack:
        yield Load(fleet, [stack.enter_context(Caller()) for _ in range(most_servers)])


def requests_for(modules: Sequence[KnownModule], count: int, random: Random) -> list[bytes]:
    """Return encoded requests like the day's reports."""
    return [_encode(report_of(modules, random)) for _ in range(count)]


def _encode(report: Report) -> bytes:
    request = SymbolicateRequest()
    for debug_file, debug_id in report["memoryMap"]:
        request.modules.add(debug_file=debug_file, debug_id=debug_id)
    for frames in report["stacks"]:
        stack = request.stacks.add()
        for index, offset in frames:
            stack.frames.add(module_index=index, module_offset=offset)
    return request.SerializeToString()
