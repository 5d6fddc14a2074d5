"""Calls while the largest module is put into the store: into a full one, and into an empty one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Event, Thread
from typing import Final

import redis

from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.insertion.ages import ALL_NEW, InsertionTerms
from symbolon_server.redis_servers.servers import Timeouts, connect
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Table, median_of, median_ratio
from tests.bench.world.caller import SYMBOLICATE, Caller, Load
from tests.bench.world.crashes import module_message
from tests.bench.world.modules import BenchModule, read_module
from tests.bench.world.programs import Symbolon, SymbolServer

_SEED = 29
_FRAMES, _CALLERS = 300, 2
_CALLED: Final = 2
"""The place of the symbol file that is called for, among all by size."""

_COPIES: Final = 8
"""Of the module, in a full store."""

_MARGIN_BYTES: Final = 4 << 20
"""Redis counts requests as used while it reads them."""

_NO_LIMIT: Final = 0
_LIMIT: Final = 1.5
_AGES: Final = InsertionTerms(eviction_age=1_000.0)
_PATIENT: Final = Timeouts(60.0, 60.0)


def run(bench: Bench) -> PartResult:
    """Measure calls that need the store while a worker's steps put pages into it."""
    random = Random(_SEED)
    bench.progress.begin("put: symbol files are read", 2)
    large = read_module(bench.files[0], random)
    bench.progress.advance()
    called_file = bench.files[min(_CALLED, len(bench.files) - 1)]
    called = read_module(called_file, random)
    bench.progress.advance()
    settings = {"SYMBOLON_SPOOL_BYTES": "0", "SYMBOLON_MEMORY_BYTES": "1MiB"}
    with (
        SymbolServer([]) as supplier,
        Symbolon(supplier.url, settings) as symbolon,
        Caller() as caller,
        connect(symbolon.store_url, _PATIENT) as store,
    ):
        offsets = called_file.sample_offsets(_FRAMES, random)
        request = SymbolicateRequest(modules=[module_message(called.module_id)])
        stack = request.stacks.add()
        for offset in offsets:
            stack.frames.add(module_index=0, module_offset=offset)
        request.max_wait.FromSeconds(0)
        path = caller.write_request("put", request.SerializeToString())

        def load() -> Load:
            return caller.load(
                symbolon.target, SYMBOLICATE, path, bench.plan.load_seconds, _CALLERS
            )

        measured = _Measured(store, large, called, load)
        found = bench.rounds(
            "put",
            {
                "nothing is put": measured.load_alone,
                "into an empty store": measured.load_empty,
                "into a full store": measured.load_full,
            },
        )
    return _result(bench, found)


class _Measured:
    def __init__(
        self,
        store: redis.Redis,
        large: BenchModule,
        called: BenchModule,
        load: Callable[[], Load],
    ) -> None:
        self._store = store
        self._large = large
        self._called = called
        self._load = load
        self._random = Random(_SEED)

    def load_alone(self) -> Load:
        """Call while nothing is put."""
        self._empty()
        return self._load()

    def load_empty(self) -> Load:
        """Call while the module is put, again and again, into a store that has room."""
        self._empty()
        with self._putting(ALL_NEW):
            return self._load()

    def load_full(self) -> Load:
        """Call while the module is put, again and again, into a store that evicts others for it."""
        self._empty()
        for _ in range(_COPIES):
            self._large.with_another_id(self._random).put(self._store)
        used = int(self._store.info("memory")["used_memory"])
        self._store.config_set("maxmemory", used + _MARGIN_BYTES)
        self._called.put(self._store)
        with self._putting(_AGES):
            load = self._load()
        if self._store.exists(*self._called.keys) < len(self._called.keys):
            raise RuntimeError("the full store evicted pages in use: the calls were cheaper")
        return load

    def _empty(self) -> None:
        self._store.config_set("maxmemory", _NO_LIMIT)
        self._store.flushall()
        self._called.put(self._store)

    @contextmanager
    def _putting(self, terms: InsertionTerms) -> Iterator[None]:
        """Put the module under ever new ids until the end of the context."""
        is_over = Event()
        copies = [self._large.with_another_id(self._random) for _ in range(_COPIES)]

        def put() -> None:
            while not is_over.is_set():
                for copy in copies:
                    if not is_over.is_set():
                        copy.put(self._store, terms)

        putting = Thread(target=put)
        putting.start()
        try:
            yield
        finally:
            is_over.set()
            putting.join()


def _result(bench: Bench, found: dict[str, list[Load]]) -> PartResult:
    full, empty = found["into a full store"], found["into an empty store"]
    ratio = median_ratio(
        [load.p99_milliseconds for load in full], [load.p99_milliseconds for load in empty]
    )
    table = Table(
        f"Calls of {_FRAMES} frames that the server reads from the store, {_CALLERS} callers",
        ("while the largest module is put", "p50 (ms)", "p99 (ms)", "calls/s"),
        [
            (
                name,
                median_of(loads, lambda load: load.p50_milliseconds),
                median_of(loads, lambda load: load.p99_milliseconds),
                median_of(loads, lambda load: load.calls_per_second),
            )
            for name, loads in found.items()
        ],
    )
    file = bench.files[0]
    return PartResult(
        part="put",
        tables=[table],
        bars=[Bar("p99 of calls, into a full store ÷ into an empty one", ratio, _LIMIT, False)],
        notes=[
            (
                f"The pages of a symbol file of {file.size / MB:.0f} MB are put by the steps of a "
                "worker, again and again under new ids. The full store evicts as many for them; "
                "they are put with ages there, and as new into the empty one. The server "
                "remembers almost nothing, and the spool is off."
            ),
        ],
    )
