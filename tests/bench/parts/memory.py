"""What a module takes in the store, against its symbol file and the names-only layout."""

from collections.abc import Callable
from random import Random
from typing import Final

import redis

from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from tests.bench.parts.names_only import put_names, read_names
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Table
from tests.bench.world.modules import read_module

_SEED = 17
_SHARES: Final = {
    "ceph-mon": 0.08,
    "ceph-osd": 0.08,
    "libjvm.so": 0.13,
    "libc.so.6": 0.13,
    "libstdc++.so.6": 0.13,
}
"""Of real files; those that are generated hold more chance than code does, and pack worse."""

_TIMES_NAMES: Final = 1.6


def run(bench: Bench) -> PartResult:
    """Measure each module alone in a store of its own; memory needs no rounds."""
    rows, bars = [], []
    bench.progress.begin("memory", 2 * len(bench.files))
    for file in bench.files:
        module = read_module(file, Random(_SEED))
        pages = used_memory(module.put)
        bench.progress.advance()
        found = read_names(file)
        names = used_memory(
            lambda store: put_names(store, file.module_id, found)  # noqa: B023 - called at once
        )
        bench.progress.advance()
        share, times = pages / file.size, pages / names
        stored = module.paged.directory.stored_bytes
        count = module.paged.directory.page_count
        rows.append(
            (file.name, file.size / MB, pages / MB, share, names / MB, times, stored / MB, count)
        )
        if (limit := _SHARES.get(file.name)) is not None:
            bars.append(Bar(f"store ÷ symbol file, {file.name}", share, limit, is_floor=False))
            bars.append(
                Bar(f"store ÷ names only, {file.name}", times, _TIMES_NAMES, is_floor=False)
            )
    columns = (
        "symbol file",
        "MB",
        "in the store (MB)",
        "ratio to file",
        "names only (MB)",
        "ratio to names only",
        "sum of pages (MB)",
        "pages",
    )
    title = "`used_memory` of one module: functions, lines and inlines against names only"
    return PartResult(part="memory", tables=[Table(title, columns, rows)], bars=bars)


def used_memory(put: Callable[[redis.Redis], None]) -> int:
    """Return by how much the memory of a fresh store grows through `put`.

    What Redis keeps for connections is left out, as it goes away with them, and what it keeps
    once for each command: that is there when `put` has been called before.
    """
    with EmbeddedRedis.start("store.conf") as server, connect(server.url) as watcher:
        _put(server, put)
        watcher.execute_command("FLUSHALL", "SYNC")
        before = _contents(watcher)
        _put(server, put)
        return _contents(watcher) - before


def _put(server: EmbeddedRedis, put: Callable[[redis.Redis], None]) -> None:
    with connect(server.url) as store:
        put(store)


def _contents(watcher: redis.Redis) -> int:
    memory = watcher.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])
