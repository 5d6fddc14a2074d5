"""How the cost of a call grows with frames, modules and pages, and what memory it takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import redis

from symbolon.v1 import stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon_server.redis_servers.servers import connect
from symbolon_server.settings import Settings
from tests.bench.parts.lookup import PagesOfFrames
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Plot, Table, median_of
from tests.bench.world.caller import SYMBOLICATE, Caller
from tests.bench.world.crashes import (
    STACK_FRAMES,
    CodeOffsets,
    crash,
    module_message,
    sample_modules,
)
from tests.bench.world.echo_server import SERVICE
from tests.bench.world.modules import BenchModule, columns_bytes, read_module, read_table
from tests.bench.world.programs import EchoServer, Symbolon, SymbolServer
from tests.bench.world.resident import PeakOfWorkers, peak_bytes, resident_bytes
from tests.bench.world.symbol_files import generate_symbol_file

_SEED = 29
_MODULES = 20
_OFFSETS = 20_000
"""Distinct frames of the calls that grow in frames; all of them fit into the memory."""

_FRAMES = 1_000
"""Of the calls that grow in modules or in pages."""

_CALLERS = 8
_CALLS = 5
"""A figure of one round is the median of so many calls, or of as many as fit into its time."""

_TIMES_TEN: Final = 11.0
_BESIDE_MEMORY: Final = 150 * MB
_BESIDE_COLUMNS: Final = 200 * MB
_WORKER_BYTES: Final = {"ceph-osd": 900 * MB}
_TIMES_SIZE, _TIMES_LOOKUP = 16, 1.5
"""A module of so many times the size may cost a lookup so many times the time."""


def run(bench: Bench) -> PartResult:
    """Measure with one server, whose memory is looked at before it ends."""
    random = Random(_SEED)
    with (
        SymbolServer(bench.files) as supplier,
        Symbolon(supplier.url) as symbolon,
        Caller() as caller,
        connect(symbolon.store_url) as store,
    ):
        scale = _Scale(bench, symbolon, caller, store, random)
        workers = scale.measure_workers()
        frames, echo = scale.measure_frames()
        growths = [frames, scale.measure_modules(), scale.measure_pages()]
        serving = scale.measure_serving()
    lookup = _measure_lookup(bench)
    return PartResult(
        part="scale",
        tables=[
            frames.table(),
            echo,
            *(growth.table() for growth in growths[1:]),
            lookup[0],
            workers[0],
            serving[0],
        ],
        bars=[
            *frames.bars("time"),
            lookup[1],
            *workers[1],
            serving[1],
        ],
        plots=[growth.plot() for growth in growths],
        notes=[
            (
                f"One call at a time, {_CALLS} of them or as many as fit into "
                f"{bench.plan.call_seconds} s; their median in each round."
            )
        ],
    )


@dataclass(frozen=True, slots=True)
class _Growth:
    """Milliseconds of a call by how much of something it has."""

    name: str
    title: str
    of: str
    milliseconds: dict[int, float]

    def bars(self, what: str) -> list[Bar]:
        """Return how many times longer ten times as much takes."""
        found = self.milliseconds
        return [
            Bar(
                f"{what} of {10 * count:,} ÷ {count:,} {self.of}s",
                found[10 * count] / found[count],
                _TIMES_TEN,
                is_floor=False,
            )
            for count in found
            if 10 * count in found
        ]

    def table(self) -> Table:
        """Return the figures as a table."""
        rows = [
            (count, milliseconds, milliseconds * 1e3 / count)
            for count, milliseconds in self.milliseconds.items()
        ]
        return Table(self.title, (f"{self.of}s", "ms a call", f"µs a {self.of}"), rows)

    def plot(self) -> Plot:
        """Return the figures as a curve beside the straight line through its last point."""
        points = sorted(self.milliseconds.items())
        last, most = points[-1]
        straight = [(count, most * count / last) for count, _ in points]
        curves = {"Symbolon": points, "straight line": straight}
        name = f"scale-{self.name}"
        return Plot(name, self.title, f"{self.of}s", "ms a call", curves, is_log=True)


class _Scale:
    def __init__(
        self,
        bench: Bench,
        symbolon: Symbolon,
        caller: Caller,
        store: redis.Redis,
        random: Random,
    ) -> None:
        self._bench = bench
        self._symbolon = symbolon
        self._caller = caller
        self._store = store
        self._random = random

    def measure_workers(self) -> tuple[Table, list[Bar]]:
        """Have each file ingested, and look at the memory of the process that does it."""
        rows, bars = [], []
        self._bench.progress.begin("scale: workers", len(self._bench.files))
        for file in self._bench.files:
            code = CodeOffsets(file, file.sample_offsets(1, self._random))
            with PeakOfWorkers(self._symbolon.program.process_id) as peak:
                self._caller.answer_fully(self._symbolon, crash([code], 1, self._random))
            columns = columns_bytes(read_table(file))
            limit = min(2 * columns + _BESIDE_COLUMNS, _WORKER_BYTES.get(file.name, 1 << 62))
            rows.append(
                (file.name, file.size / MB, peak.bytes / MB, columns / MB, peak.bytes / limit)
            )
            what = f"worker's memory (MB), {file.name}"
            bars.append(Bar(what, peak.bytes / MB, limit / MB, is_floor=False))
            self._bench.progress.advance()
        columns_ = ("symbol file", "MB", "worker's peak (MB)", "columns (MB)", "ratio to limit")
        return Table("Memory of the process that ingests one module", columns_, rows), bars

    def measure_frames(self) -> tuple[_Growth, Table]:
        """Measure calls for remembered frames, many of them asked more than once.

        In turn with them, what the same requests and answers cost gRPC alone, on the same core.
        """
        modules = sample_modules(self._bench.files, _MODULES, _OFFSETS // 2, self._random)
        counts = self._bench.plan.scale_frames
        largest = crash(modules, max(counts), self._random)
        stacks = _by_answer(largest, self._caller.answer_fully(self._symbolon, largest))
        requests = {frames: _sample(largest, stacks, frames // STACK_FRAMES) for frames in counts}
        with TemporaryDirectory() as folder:
            sizes = {}
            for frames, request in requests.items():
                answer = self._caller.answer_fully(self._symbolon, request)
                Path(folder, str(frames)).write_bytes(answer)
                sizes[frames] = len(answer) / MB
            with EchoServer(Path(folder), str(self._symbolon.core)) as echo:
                calls = self._calls("", requests, self._symbolon.target)
                calls |= self._calls("echo of ", requests, echo.target, f"/{SERVICE}/{{}}")
                found = self._measure("frames", calls)
        ours = {frames: found[str(frames)] for frames in requests}
        beside = {frames: ours[frames] - found[f"echo of {frames}"] for frames in requests}
        title = "Calls with more frames, all remembered"
        table = Table(
            "The same answers from an echo server on the same core, and what ours take longer",
            ("frames", "answer (MB)", "echo (ms)", "longer (ms)", "longer (µs a frame)"),
            [
                (frames, sizes[frames], found[f"echo of {frames}"], ms, ms * 1e3 / frames)
                for frames, ms in beside.items()
            ],
        )
        return _Growth("frames", title, "frame", ours), table

    def measure_modules(self) -> _Growth:
        """Measure calls whose frames are in ever more modules, all remembered."""
        known = read_module(self._bench.files[-1], self._random)
        offsets = self._bench.files[-1].sample_offsets(50, self._random)

        def make(count: int) -> SymbolicateRequest:
            modules = [known.with_another_id(self._random) for _ in range(count)]
            for module in modules:
                module.put_some(self._store, offsets)
            frames = [(number % count, self._random.choice(offsets)) for number in range(_FRAMES)]
            return _request(modules, frames)

        requests = {count: make(count) for count in self._bench.plan.scale_modules}
        for request in requests.values():
            self._caller.answer_fully(self._symbolon, request)
        found = self._measure("modules", self._calls("", requests, self._symbolon.target))
        title = f"Calls with {_FRAMES:,} remembered frames in more modules"
        return _Growth("modules", title, "module", {count: found[str(count)] for count in requests})

    def measure_pages(self) -> _Growth:
        """Measure first calls for frames in ever more pages, which are in the store only."""
        file = self._bench.files[0]
        known = read_module(file, self._random)
        by_page: dict[int, list[int]] = {}
        for offset in file.sample_offsets(20 * known.paged.directory.page_count, self._random):
            number = known.paged.directory.find_page(offset)
            if number is not None:
                by_page.setdefault(number, []).append(offset)

        def make(count: int) -> SymbolicateRequest:
            """Take at most half of the pages of a module, then those of a further one."""
            each = max(1, len(by_page) // 2)
            modules = [known.with_another_id(self._random) for _ in range(-(-count // each))]
            pages = [
                (index, page)
                for index in range(len(modules))
                for page in self._random.sample(sorted(by_page), each)
            ][:count]
            chosen = [pages[number % count] for number in range(max(_FRAMES, count))]
            frames = [(index, self._random.choice(by_page[page])) for index, page in chosen]
            for index, module in enumerate(modules):
                module.put_some(self._store, [offset for of, offset in frames if of == index])
            return _request(modules, frames)

        milliseconds: dict[int, float] = {}
        for count in self._bench.plan.scale_pages:

            def measure(count: int = count) -> float:
                request = make(count).SerializeToString()
                return self._caller.call(self._symbolon.target, request)[1] * 1e3

            found = self._bench.rounds(f"scale: {count} pages", {"symbolon": measure})
            milliseconds[count] = median_of(found["symbolon"], float)
        title = f"First calls with {_FRAMES:,} frames in more pages, all in the store only"
        return _Growth("pages", title, "page", milliseconds)

    def measure_serving(self) -> tuple[Table, Bar]:
        """Ask for far more than the memory holds, with several callers, then look at it."""
        requests = 6 if self._bench.plan.rounds > 1 else 1
        frames = max(self._bench.plan.hot_frames)
        self._bench.progress.begin("scale: memory of the server", requests)
        for _ in range(requests):
            modules = sample_modules(self._bench.files[:5], 5, frames * 2, self._random)
            request = crash(
                [code for code in modules if code.file in self._bench.files], frames, self._random
            )
            self._caller.answer_fully(self._symbolon, request)
            path = self._caller.write_request("large", request.SerializeToString())
            seconds = self._bench.plan.load_seconds
            self._caller.load(self._symbolon.target, SYMBOLICATE, path, seconds, _CALLERS)
            self._bench.progress.advance()
        process_id = self._symbolon.program.process_id
        at_end, peak = resident_bytes(process_id), peak_bytes(process_id)
        time.sleep(self._bench.plan.quiet_seconds)
        now = resident_bytes(process_id)
        memory = Settings().memory_bytes
        limit = memory + _BESIDE_MEMORY
        table = Table(
            f"Memory of the server after {requests} calls with {frames:,} new frames each, then "
            f"by {_CALLERS} callers, and {self._bench.plan.quiet_seconds:.0f} s later",
            (
                "peak (MB)",
                "at the end (MB)",
                "later (MB)",
                "SYMBOLON_MEMORY_BYTES (MB)",
                "beside it, later (MB)",
            ),
            [(peak / MB, at_end / MB, now / MB, memory / MB, (now - memory) / MB)],
        )
        return table, Bar("server's memory (MB) after load", now / MB, limit / MB, is_floor=False)

    def _calls(
        self,
        name: str,
        requests: Mapping[int, SymbolicateRequest],
        target: str,
        method: str = SYMBOLICATE,
    ) -> dict[str, Callable[[], float]]:
        """Return what measures a call with each request, by `name` and how much it has."""
        return {
            f"{name}{count}": partial(
                self._median_call, request.SerializeToString(), target, method.format(count)
            )
            for count, request in requests.items()
        }

    def _measure(self, name: str, measures: Mapping[str, Callable[[], float]]) -> dict[str, float]:
        """Return the median of each measure."""
        found = self._bench.rounds(f"scale: {name}", measures)
        return {name: median_of(found[name], float) for name in measures}

    def _median_call(self, request: bytes, target: str, method: str) -> float:
        """Return the milliseconds of a call, the median of a few."""
        calls: list[float] = []
        while len(calls) < _CALLS or sum(calls) < self._bench.plan.call_seconds:
            calls.append(self._caller.call(target, request, method)[1])
        return median(calls) * 1e3


def _by_answer(request: SymbolicateRequest, answer: bytes) -> list[stack_pb2.Stack]:
    """Return the stacks of a request, those first that are answered with the fewest bytes."""
    sizes = [stack.ByteSize() for stack in SymbolicateResponse.FromString(answer).stacks]
    return [
        stack for _, stack in sorted(zip(sizes, request.stacks, strict=True), key=itemgetter(0))
    ]


def _sample(
    request: SymbolicateRequest, stacks: Sequence[stack_pb2.Stack], count: int
) -> SymbolicateRequest:
    """Return a request for so many of `stacks`, evenly spread.

    So ten times the frames are answered with ten times the bytes. Of requests drawn one by one, or
    the beginnings of a larger one, it would be 9 to 13 times.
    """
    step = len(stacks) / count
    chosen = [stacks[int((place + 0.5) * step)] for place in range(count)]
    return SymbolicateRequest(modules=request.modules, stacks=chosen)


def _request(
    modules: Sequence[BenchModule], frames: Sequence[tuple[int, int]]
) -> SymbolicateRequest:
    """Return a request with one stack of frames, pairs of module index and module offset."""
    stack = stack_pb2.Stack()
    for index, offset in frames:
        stack.frames.add(module_index=index, module_offset=offset + 1, is_return_address=True)
    messages = [module_message(module.module_id) for module in modules]
    return SymbolicateRequest(modules=messages, stacks=[stack])


def _measure_lookup(bench: Bench) -> tuple[Table, Bar]:
    """Compare lookups in two generated modules that differ in nothing but their size."""
    small_bytes = bench.plan.generated_bytes[-1]
    files = [
        generate_symbol_file(f"libsize{times}.so", small_bytes * times, _SEED)
        for times in (1, _TIMES_SIZE)
    ]
    pages = [
        PagesOfFrames(
            read_module(file, Random(_SEED)),
            file.sample_offsets(bench.plan.lookups, Random(_SEED)),
        )
        for file in files
    ]
    found = bench.rounds(
        "scale: size of a module", {"small": pages[0].look_up, "large": pages[1].look_up}
    )
    small, large = (1e6 / median_of(found[name], float) for name in ("small", "large"))
    rows = [(files[0].size / MB, small, 1.0), (files[1].size / MB, large, large / small)]
    table = Table(
        "A frame found and encoded in a module and in a larger one",
        ("MB", "µs a frame", "ratio"),
        rows,
    )
    what = f"lookup in a module of {_TIMES_SIZE} times the size"
    return table, Bar(what, large / small, _TIMES_LOOKUP, is_floor=False)
