"""Processor time of starts, against bare imports of what each cannot do without."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from tests.bench.plan import Bench
from tests.bench.results import Bar, Cell, PartResult, Table
from tests.bench.world.programs import ROOT, own_environment, processor_seconds

_GRPC = ("grpc", "google.protobuf.duration_pb2", "google.protobuf.internal.builder")
"""What each module loads that is generated of protos/."""

_IMPORTED = "imported"
_THEN_WAIT = f"; print({_IMPORTED!r}, flush=True); input()"
"""So that an import is measured as a start is: without the end of the process, which takes long."""

_RUNS = 3
"""Of each process in a round, of which the fastest counts."""

_STORES = ("prometheus_client", "redis", "numpy", "zstandard")


class _Start(NamedTuple):
    """A program, and when it has started."""

    name: str
    arguments: Sequence[str]
    until: str
    """What it prints or logs when it is ready; empty: it ends by itself."""

    libraries: Sequence[str]
    limit: float | None = None
    """Of its time ÷ that of importing its libraries."""


_STARTS: Final = (
    _Start("serve", ("-m", "symbolon_server", "serve"), "is ready on", (*_GRPC, *_STORES), 1.5),
    _Start(
        "worker", ("-m", "symbolon_server", "worker"), "worker_ready", ("requests", *_STORES), 1.5
    ),
    _Start("check", ("-m", "symbolon_server", "check"), "", ("requests", "redis")),
    _Start(
        "import of the client",
        ("-c", f"from symbolon import Client{_THEN_WAIT}"),
        _IMPORTED,
        _GRPC,
        1.25,
    ),
    _Start("symbolon --version", ("-m", "symbolon", "--version"), "", _GRPC),
)


def run(bench: Bench) -> PartResult:
    """Measure each start and its libraries in turn, each in a process of its own."""
    rows: list[tuple[Cell, ...]] = []
    bars = []
    with ExitStack() as started:
        environment = _environment(started)
        for start in _STARTS:
            bare = f"import {', '.join(start.libraries)}{_THEN_WAIT}"
            ways: dict[str, Callable[[], float]] = {
                "start": partial(_least, start.arguments, start.until, environment),
                "libraries": partial(_least, ("-c", bare), _IMPORTED, environment),
            }
            # The least of all: whatever else a machine does can only add to it.
            took = {name: min(samples) for name, samples in bench.rounds(start.name, ways).items()}
            ratio = took["start"] / took["libraries"]
            names = ", ".join(sorted({name.partition(".")[0] for name in start.libraries}))
            rows.append((start.name, 1000 * took["start"], 1000 * took["libraries"], ratio, names))
            if start.limit is not None:
                what = f"processor time of {start.name} ÷ its libraries"
                bars.append(Bar(what, ratio, start.limit, is_floor=False))
    columns = ("start", "ms", "ms for its libraries", "ratio", "libraries")
    title = "Processor time of a process until it is ready, or until it ends; the least of all runs"
    return PartResult(part="start", tables=[Table(title, columns, rows)], bars=bars)


def _environment(started: ExitStack) -> Mapping[str, str]:
    """Return settings with a store and a cache, which a worker needs, and a supplier over HTTP."""
    enter = started.enter_context
    folder = enter(TemporaryDirectory(prefix="symbolon-bench-"))
    store, cache = (
        enter(EmbeddedRedis.start(f"{role}.conf", EmbeddedOptions())) for role in ("store", "cache")
    )
    return {
        **own_environment(),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "SYMBOLON_LISTEN": "127.0.0.1:0",
        "SYMBOLON_STORE_URL": store.url,
        "SYMBOLON_CACHE_URL": cache.url,
        "SYMBOLON_SPOOL_DIR": str(Path(folder) / "spool"),
        "SYMBOLON_SUPPLIERS": "http://127.0.0.1:9/",
    }


def _least(arguments: Sequence[str], until: str, environment: Mapping[str, str]) -> float:
    return min(_measure(arguments, until, environment) for _ in range(_RUNS))


def _measure(arguments: Sequence[str], until: str, environment: Mapping[str, str]) -> float:
    """Return the seconds that a process used until a line of its output says that it is ready."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        if not until:
            process.stdout.read()
            return _ended(process)
        assert any(until in line for line in process.stdout), f"{arguments} ended"
        seconds = processor_seconds(process.pid)
        process.terminate()
        process.communicate()
        return seconds


def _ended(process: subprocess.Popen[str]) -> float:
    """Wait for the end of a process and return the seconds that it used."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime
