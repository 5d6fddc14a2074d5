"""The model of docs/scale.md: measures its constants and compares it with fleets of three sizes.

Run as `python -m tests.system.fleet.scale [DOCUMENT]`: prints the figures as Markdown, or writes
them between the marks in the document. It takes about two minutes, on a quiet machine.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from statistics import fmean
from threading import Event
from typing import Final

from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.settings import read_settings
from tests.fixtures.clusters import PRIMARIES
from tests.system.fleet.costs import (
    Burst,
    Connections,
    Meter,
    connections_of,
    cores,
    loading,
    read_meter,
    requests_for,
    store_bytes,
)
from tests.system.fleet.fleet import Fleet, running_fleet
from tests.system.known_modules import Question, known_modules, unanswered_in

MARKS: Final = (
    "<!-- figures: written by `python -m tests.system.fleet.scale docs/scale.md` -->",
    "<!-- end of figures -->",
)
SIZES: Final = (1, 2, 4)
MACHINES: Final = (1, 10, 100, 1_000)
SERVING_CORES: Final = 3
"""Of a machine of the model, each with a serving process; a fourth core has a worker."""

MODULES: Final = 36
COLD_MODULES: Final = 60
CALLS: Final = 400
IDLE_SECONDS: Final = 6.0
LOAD_SECONDS: Final = 5.0
"""Several times as long as what servers do once a second."""

NODE_CORES: Final = 0.5
"""How much of a core a Redis server may use, so that its replies come soon."""

MAX_CLIENTS: Final = 10_000
"""Connections that a Redis server takes by default."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one kind of calls costs, and what servers and ingests do."""

    one: Burst
    """Calls to one server."""

    bursts: Sequence[Burst]
    """Calls to as many servers as `SIZES` has."""

    idle: Meter
    """Of all servers and a worker without calls."""

    cold: Meter
    """Of `COLD_MODULES` ingests."""

    module_bytes: float
    """In the store."""

    answer_bytes: float
    server: Connections
    worker: Connections

    def per_call(self, name: str) -> float:
        """Return how much of something one call uses."""
        return float(getattr(self.one.used, name)) / self.one.calls

    @property
    def cache_share_of_a_worker(self) -> float:
        """The processor time of the cache for each second that a worker works."""
        return self.cold.cache_cpu / self.cold.worker_cpu

    @property
    def cpu_per_call(self) -> float:
        """Processor time of the client, the server and both Redis servers."""
        return self.one.used.own_cpu / self.one.calls

    def per_module(self, name: str) -> float:
        """Return how much of something one ingest uses."""
        return float(getattr(self.cold, name)) / COLD_MODULES

    def busy_rate(self, name: str) -> float:
        """Return how much of something a server uses per second of its core that calls use."""
        return float(getattr(self.one.used, name)) / self.one.used.server_cpu

    def idle_rate(self, name: str) -> float:
        """Return how much of something a server uses per second without calls, in the mean."""
        return float(getattr(self.idle, name)) / self.idle.wall / max(SIZES)

    def predict(self, servers: int, cores_left: float) -> float:
        """Return calls per second: a server has one core at most, and all parts share the rest."""
        return min(servers / self.per_call("server_cpu"), cores_left / self.cpu_per_call)


def measure(folder: Path, memory: str) -> Measured:
    """Measure a fleet of servers with so much memory each."""
    folder.mkdir()
    with (
        running_fleet(folder, max(SIZES), 1, memory_bytes=memory) as fleet,
        loading(fleet, max(SIZES)) as load,
    ):
        before = read_meter(fleet)
        Event().wait(IDLE_SECONDS)
        idle = read_meter(fleet).since(before)
        ingest(fleet, MODULES)  # what starts with the first module is no part of the figures
        bytes_before = store_bytes(fleet)
        cold = ingest(fleet, COLD_MODULES, MODULES)
        module_bytes = (store_bytes(fleet) - bytes_before) / COLD_MODULES
        requests = requests_for(known_modules(range(MODULES)), CALLS, Random(1))
        answers = [load.answer(fleet.hosts[0], request) for request in requests[:20]]
        assert all(SymbolicateResponse.FromString(answer).stacks for answer in answers)
        load.run(fleet.hosts, requests)
        rate = load.run(fleet.hosts, requests).calls_per_second
        repeated = [*requests] * ceil(LOAD_SECONDS * rate / len(requests))
        return Measured(
            one=load.run(fleet.hosts[:1], repeated),
            bursts=[load.run(fleet.hosts[:n], repeated[: len(repeated) // n]) for n in SIZES],
            idle=idle,
            cold=cold,
            module_bytes=module_bytes,
            answer_bytes=fmean(map(len, answers)),
            server=connections_of(fleet, fleet.hosts[0].server),
            worker=connections_of(fleet, fleet.hosts[0].worker),
        )


def ingest(fleet: Fleet, count: int, first: int = 0) -> Meter:
    """Have modules ingested by one call that waits for them; return what that used."""
    modules = known_modules(range(first, first + count))
    for module in modules:
        fleet.supplier.put(module.module_id, module.symbol_file())
    client = fleet.client_of(fleet.hosts[0])
    before = read_meter(fleet)
    question = Question(modules, [[0]] * count)
    while unanswered_in(client.symbolicate(*question.request())):
        pass
    return read_meter(fleet).since(before)


Row = tuple[str, ...]


def constant_rows(hot: Measured, stored: Measured) -> Iterator[Row]:
    """Yield the constants of both kinds of calls."""
    for what, name, factor in (
        ("server, ms of processor time a call", "server_cpu", 1e3),
        ("store, ms of processor time a call", "store_cpu", 1e3),
        ("store, commands a call", "store_commands", 1.0),
        ("store, kB sent a call", "store_bytes", 1e-3),
    ):
        yield (what, *(number(factor * each.per_call(name)) for each in (hot, stored)))
    both = (hot, stored)
    for what, name, factor in (
        ("cache, ms/s of a busy server", "cache_cpu", 1e3),
        ("cache, commands/s of a busy server", "cache_commands", 1.0),
    ):
        yield (what, *(number(factor * each.busy_rate(name)) for each in both))
    yield ("calls/s a serving core", *(number(1 / each.per_call("server_cpu")) for each in both))
    yield ("kB of a request", *(number(each.one.request_bytes / 1e3) for each in both))
    yield ("kB of an answer", *(number(each.answer_bytes / 1e3) for each in both))
    most = read_settings({}, {}).max_calls_in_flight / 1e6
    in_flight = (most * (each.one.request_bytes + each.answer_bytes) for each in both)
    yield ("MB in flight of a server, at most", *map(number, in_flight))
    for what, name, factor in (
        ("worker, ms of processor time a module", "worker_cpu", 1e3),
        ("cache, ms of processor time a module", "cache_cpu", 1e3),
        ("cache, commands a module", "cache_commands", 1.0),
        ("store, ms of processor time a module", "store_cpu", 1e3),
    ):
        yield (what, *(number(factor * each.per_module(name)) for each in both))
    yield ("store, kB a module", *(number(each.module_bytes / 1e3) for each in both))
    for what, name, factor in (
        ("cache, commands/s of a server without calls", "cache_commands", 1.0),
        ("cache, ms/s of a server without calls", "cache_cpu", 1e3),
        ("store, commands/s of a server without calls", "store_commands", 1.0),
    ):
        yield (what, *(number(factor * each.idle_rate(name)) for each in both))
    for program in ("server", "worker"):
        for role in ("store", "cache"):
            counts = (getattr(getattr(each, program), role) for each in both)
            yield (f"connections of a {program} to the {role}", *map(str, counts))


def check_rows(kind: str, measured: Measured) -> Iterator[Row]:
    """Yield what the model says of each size of a fleet, and what it did."""
    for servers, burst in zip(SIZES, measured.bursts, strict=True):
        predicted = measured.predict(servers, burst.cores_left)
        yield (
            kind,
            str(servers),
            number(burst.cores_left),
            number(burst.used.own_cpu / burst.used.wall),
            number(predicted),
            number(burst.calls_per_second),
            number(burst.calls_per_second / predicted),
        )


def model_rows(hot: Measured, stored: Measured) -> Iterator[Row]:
    """Yield what fleets of `MACHINES` can do, and what they need."""
    servers = [machines * SERVING_CORES for machines in MACHINES]
    for kind, each in (("remembered", hot), ("from the store", stored)):
        rates = [count / each.per_call("server_cpu") for count in servers]
        yield (f"calls/s, {kind}", *map(number, rates))
        store = [rate * each.per_call("store_cpu") / NODE_CORES for rate in rates]
        yield (f"nodes of the store, {kind}", *(str(max(1, ceil(nodes))) for nodes in store))
        sent = [rate * each.per_call("store_bytes") / 1e6 for rate in rates]
        yield (f"MB/s from the store, {kind}", *map(number, sent))
        cache = [100 * count * each.busy_rate("cache_cpu") for count in servers]
        yield (f"% of the cache's core, {kind}", *map(number, cache))
    modules = [machines / hot.per_module("worker_cpu") for machines in MACHINES]
    yield ("new modules/s", *map(number, modules))
    cache = [100 * rate * hot.per_module("cache_cpu") for rate in modules]
    yield ("% of the cache's core for them", *map(number, cache))
    for role in ("store", "cache"):
        server, worker = getattr(stored.server, role), getattr(stored.worker, role)
        counts = [machines * (SERVING_CORES * server + worker) for machines in MACHINES]
        marked = (f"{count:,}{' (limit)' if count > MAX_CLIENTS else ''}" for count in counts)
        yield (f"connections to the {role}", *marked)


def limit_rows(hot: Measured, stored: Measured) -> Iterator[Row]:
    """Yield the number of machines at which each limit is reached."""
    for kind, each in (("remembered", hot), ("from the store", stored)):
        share = SERVING_CORES * each.busy_rate("cache_cpu")
        yield (f"the cache's core, all servers busy, {kind}", number(NODE_CORES / share))
    idle = SERVING_CORES * hot.idle_rate("cache_cpu")
    yield ("the cache's core, no calls", number(NODE_CORES / idle))
    yield ("the cache's core, all workers busy", number(NODE_CORES / hot.cache_share_of_a_worker))
    for role, nodes in (("a node of the store", PRIMARIES), ("the cache", 1)):
        name = role.rpartition(" ")[2]
        server, worker = (getattr(one, name) / nodes for one in (stored.server, stored.worker))
        most = MAX_CLIENTS / (SERVING_CORES * server + worker)
        yield (f"{MAX_CLIENTS:,} connections to {role}", number(most))
    threads = read_settings({}, {}).threads
    most = MAX_CLIENTS / (SERVING_CORES * threads)
    yield (f"the same, if all {threads} threads of each server use one", number(most))


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(head: Row, rows: Iterator[Row]) -> str:
    """Return rows as a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace(" --- ", "---") for line in lines)


def main(arguments: Sequence[str]) -> None:
    """Measure everything; print it, or write it into a document."""
    with tempfile.TemporaryDirectory(prefix="symbolon-scale-") as folder:
        hot = measure(Path(folder) / "hot", "256MiB")
        stored = measure(Path(folder) / "stored", "1MiB")
    checks = [*check_rows("remembered", hot), *check_rows("from the store", stored)]
    head = ("calls", "servers", "cores left", "used", "predicted calls/s", "measured", "ratio")
    machines = (f"{count:,} machines".replace("1 machines", "1 machine") for count in MACHINES)
    text = "\n\n".join(
        [
            "What is measured:",
            table(("what", "remembered", "from the store"), constant_rows(hot, stored)),
            f"The model against fleets on one machine with {cores()} cores:",
            table(head, iter(checks)),
            f"Fleets of machines with {SERVING_CORES + 1} cores:",
            table(("what", *machines), model_rows(hot, stored)),
            f"Machines at which a limit is reached, that of a core being {NODE_CORES:.0%}:",
            table(("limit", "machines"), limit_rows(hot, stored)),
        ]
    )
    if not arguments:
        sys.stdout.write(text + "\n")
        return
    path = Path(arguments[0])
    before, rest = path.read_text(encoding="utf-8").split(MARKS[0])
    _, after = rest.split(MARKS[1])
    document = f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}"
    path.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
