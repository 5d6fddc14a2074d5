"""First calls for modules whose pages are in the store only, against one bare round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, Final

import redis
import zstandard

from symbolon.v1 import stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.redis_servers.keys import directory_key, page_key
from symbolon_server.redis_servers.servers import connect
from tests.bench.plan import Bench
from tests.bench.results import Bar, PartResult, Table, median_of, median_ratio
from tests.bench.world.caller import Caller
from tests.bench.world.crashes import module_message
from tests.bench.world.modules import BenchModule, read_module
from tests.bench.world.programs import Symbolon, SymbolServer

_SEED = 23
_MODULES, _FRAMES = 20, 50
_SEAL_BYTES = 8
"""What stands before the compressed content of a page."""

_LIMIT: Final = 3.0
_ROUND_TRIPS: Final = 2


@dataclass(frozen=True, slots=True)
class _State:
    """A call for modules that the server has not seen, and what it needs of the store."""

    request: bytes
    directories: Sequence[str]
    pages: Sequence[str]
    dictionaries: Sequence[str | None]
    """Shape (pages,): what each page is unpacked by, where it needs that."""

    @property
    def keys(self) -> list[str]:
        """Everything that is needed, each once."""
        keys = dict.fromkeys((*self.directories, *self.dictionaries, *self.pages))
        return [key for key in keys if key is not None]


@dataclass(frozen=True, slots=True)
class _Round:
    """Medians of one round over all its states, in milliseconds, and what the store was asked."""

    first: float
    again: float
    bare: float
    gets: float
    """Of `MGET`, for each call."""

    kilobytes: float
    """Out of the store, for each call."""


def run(bench: Bench) -> PartResult:
    """Measure calls for ever new modules, so that the server remembers nothing of them."""
    random = Random(_SEED)
    bench.progress.begin("warm: symbol files are read", len(bench.files))
    modules = []
    for file in bench.files:
        modules.append((read_module(file, random), file.sample_offsets(1_000, random)))
        bench.progress.advance()
    with (
        SymbolServer([]) as supplier,
        Symbolon(supplier.url, {"SYMBOLON_SPOOL_BYTES": "0"}) as symbolon,
        Caller() as caller,
        connect(symbolon.store_url) as store,
    ):
        warm = _Warm(bench, symbolon, caller, store)
        warm.measure_round(warm.make_states(modules, 2, random))  # connects everybody
        measure = {
            "warm": lambda: warm.measure_round(
                warm.make_states(modules, bench.plan.warm_states, random)
            )
        }
        found = bench.rounds("warm", measure)["warm"]
    return _result(bench, found)


class _Warm:
    def __init__(
        self, bench: Bench, symbolon: Symbolon, caller: Caller, store: redis.Redis
    ) -> None:
        self._bench = bench
        self._symbolon = symbolon
        self._caller = caller
        self._store = store

    def make_states(
        self, modules: Sequence[tuple[BenchModule, list[int]]], count: int, random: Random
    ) -> list[_State]:
        """Return calls for modules under ever new ids, which then are in the store."""
        self._store.flushall()
        return [self._make_state(modules, random) for _ in range(count)]

    def _make_state(
        self, modules: Sequence[tuple[BenchModule, list[int]]], random: Random
    ) -> _State:
        request, stack = SymbolicateRequest(), stack_pb2.Stack()
        directories: list[str] = []
        pages: list[str] = []
        dictionaries: list[str | None] = []
        for index in range(_MODULES):
            known, offsets = modules[index % len(modules)]
            module = known.with_another_id(random)
            frames = len(range(index, _FRAMES, _MODULES))
            chosen = random.choices(offsets, k=frames)
            for offset in chosen:
                stack.frames.add(
                    module_index=index, module_offset=offset + 1, is_return_address=True
                )
            request.modules.append(module_message(module.module_id))
            directories.append(directory_key(module.module_id))
            keys = [page_key(key) for key in module.put_some(self._store, chosen)]
            dictionary = keys.pop() if module.paged.directory.has_dictionary else None
            pages += keys
            dictionaries += [dictionary] * len(keys)
        request.stacks.append(stack)
        request.max_wait.FromSeconds(0)
        return _State(request.SerializeToString(), directories, pages, dictionaries)

    def measure_round(self, states: Sequence[_State]) -> _Round:
        """Call for each state, then fetch and unpack the same keys by hand."""
        first, again, bare, received = [], [], [], 0
        self._store.config_resetstat()
        gets = 0
        for state in states:
            before = self._count_gets()
            first.append(self._caller.call(self._symbolon.target, state.request)[1] * 1e3)
            gets += self._count_gets() - before
            seconds, kilobytes = self._get_bare(state)
            bare.append(seconds * 1e3)
            received += kilobytes
            again.append(self._caller.call(self._symbolon.target, state.request)[1] * 1e3)
        return _Round(
            median(first),
            median(again),
            median(bare),
            gets / len(states),
            received / 1e3 / len(states),
        )

    def _get_bare(self, state: _State) -> tuple[float, int]:
        keys = state.keys
        start = perf_counter()
        found: list[Any] = self._store.mget(keys)
        values = dict(zip(keys, found, strict=True))
        alone = zstandard.ZstdDecompressor()
        for key in state.directories:
            alone.decompress(values[key][_SEAL_BYTES:])
        by: dict[str | None, zstandard.ZstdDecompressor] = {None: alone}
        for key, dictionary in zip(state.pages, state.dictionaries, strict=True):
            if dictionary is not None and dictionary not in by:
                data = alone.decompress(values[dictionary][_SEAL_BYTES:])
                by[dictionary] = zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(data))
            by[dictionary].decompress(values[key][_SEAL_BYTES:])
        return perf_counter() - start, sum(map(len, found))

    def _count_gets(self) -> int:
        return int(self._store.info("commandstats").get("cmdstat_mget", {}).get("calls", 0))


def _result(bench: Bench, found: Sequence[_Round]) -> PartResult:
    ratio = median_ratio([each.first for each in found], [each.bare for each in found])
    gets = max(each.gets for each in found)
    table = Table(
        f"A stack of {_FRAMES} frames in {_MODULES} modules that the server has never seen, p50",
        ("first call (ms)", "bare (ms)", "ratio", "again (ms)", "MGET a call", "kB a call"),
        [
            (
                median_of(found, lambda each: each.first),
                median_of(found, lambda each: each.bare),
                ratio,
                median_of(found, lambda each: each.again),
                gets,
                median_of(found, lambda each: each.kilobytes),
            )
        ],
    )
    return PartResult(
        part="warm",
        tables=[table],
        bars=[
            Bar("first call ÷ bare round trip, p50", ratio, _LIMIT, is_floor=False),
            Bar("round trips to the store, any number of modules", gets, _ROUND_TRIPS, False),
        ],
        notes=[
            (
                f"{bench.plan.warm_states} calls in each round, each for modules under new ids: "
                "the server has neither directories nor pages nor frames of them; the spool is "
                "off. Bare: one MGET of all directories, page dictionaries and pages by redis-py, "
                "and their decompression, by a client that is connected. Again: the same call "
                "once more."
            ),
        ],
    )
