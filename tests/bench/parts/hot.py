"""Calls for what the server remembers, against a server that only echoes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from tests.bench.plan import Bench
from tests.bench.results import Bar, PartResult, Plot, Table, median_of, median_ratio
from tests.bench.world.caller import SYMBOLICATE, Caller, Load
from tests.bench.world.crashes import crash, sample_modules
from tests.bench.world.echo_server import SERVICE
from tests.bench.world.programs import EchoServer, Symbolon, SymbolServer
from tests.bench.world.symbolic_peer import convert_files, has_symbolic, look_up

_SEED = 11
_CALLERS: Final = 8
"""Threads of the client; with more of them neither server answers more calls."""

_OURS, _ECHO, _KEPT_ECHO = "symbolon", "echo", "echo on the same core"

_FEW_FRAMES = 1
_MODULES, _UNREFERENCED = 20, 60
_FLOORS: Final = {1: 0.85, 50: 0.75, 1_000: 0.45, 20_000: 0.25}
_FRAMES_PER_SECOND: Final = 700_000
_TIMES_SYMBOLIC: Final = 10


@dataclass(frozen=True, slots=True)
class _Case:
    frames: int
    request: SymbolicateRequest
    path: Path
    answer: bytes

    @property
    def inlines(self) -> float:
        """Inline frames for each frame."""
        stacks = SymbolicateResponse.FromString(self.answer).stacks
        return sum(len(frame.inlines) for stack in stacks for frame in stack.frames) / self.frames


def run(bench: Bench) -> PartResult:
    """Measure calls of each size."""
    with (
        TemporaryDirectory() as answers,
        SymbolServer(bench.files) as supplier,
        Symbolon(supplier.url) as symbolon,
        Caller() as caller,
    ):
        cases = _make_cases(bench, symbolon, caller, Path(answers))
        core = str(symbolon.core)
        with EchoServer(Path(answers)) as echo, EchoServer(Path(answers), core) as kept:
            targets = {_OURS: symbolon.target, _ECHO: echo.target, _KEPT_ECHO: kept.target}
            loads = {case.frames: _load(bench, caller, case, targets) for case in cases}
        lookups = _compare_lookups(bench, cases, symbolon, caller)
    return PartResult(
        part="hot",
        tables=[_table(cases, loads), *([lookups[0]] if lookups else [])],
        bars=[*_bars(loads), *([lookups[1]] if lookups else [])],
        plots=[_plot(loads)],
        notes=[
            (
                f"{_CALLERS} callers at a time; client and server each have a process. "
                f"Calls with more than one frame name {_MODULES} modules with frames and "
                f"{_UNREFERENCED} without; stacks have 40 frames."
            ),
            "Callers wait for each other on so few cores: p50 and p99 are those under full load.",
        ],
    )


def _make_cases(bench: Bench, symbolon: Symbolon, caller: Caller, answers: Path) -> list[_Case]:
    """Return requests that the server has answered before, and put their answers down."""
    random = Random(_SEED)
    bench.progress.begin("hot: modules are made ready", len(bench.plan.hot_frames))
    cases = []
    modules = sample_modules(bench.files, _MODULES, max(bench.plan.hot_frames), random)
    for frames in bench.plan.hot_frames:
        if frames == _FEW_FRAMES:
            request = crash(modules[:1], frames, random)
        else:
            request = crash(modules, frames, random, unreferenced=_UNREFERENCED)
        answer = caller.answer_fully(symbolon, request)
        (answers / str(frames)).write_bytes(answer)
        path = caller.write_request(f"hot-{frames}", request.SerializeToString())
        cases.append(_Case(frames, request, path, answer))
        bench.progress.advance()
    return cases


def _load(
    bench: Bench, caller: Caller, case: _Case, targets: Mapping[str, str]
) -> dict[str, list[Load]]:
    def load(name: str, target: str) -> Callable[[], Load]:
        method = SYMBOLICATE if name == _OURS else f"/{SERVICE}/{case.frames}"
        seconds = bench.plan.load_seconds
        return lambda: caller.load(target, method, case.path, seconds, _CALLERS)

    loads = {name: load(name, target) for name, target in targets.items()}
    return bench.rounds(f"hot: {case.frames} frames", loads)


def _ratio(loads: dict[str, list[Load]], other: str) -> float:
    ours, theirs = ([load.calls_per_second for load in loads[name]] for name in (_OURS, other))
    return median_ratio(ours, theirs)


def _table(cases: Sequence[_Case], loads: dict[int, dict[str, list[Load]]]) -> Table:
    rows = []
    for case in cases:
        of = loads[case.frames]
        calls, echo, kept_echo = (
            median_of(of[name], lambda load: load.calls_per_second)
            for name in (_OURS, _ECHO, _KEPT_ECHO)
        )
        rows.append(
            (
                case.frames,
                len(case.answer) / 1e3,
                case.inlines,
                calls,
                echo,
                _ratio(of, _ECHO),
                kept_echo,
                _ratio(of, _KEPT_ECHO),
                calls * case.frames,
                *_percentiles(of[_OURS]),
                *_percentiles(of[_ECHO]),
            )
        )
    columns = (
        "frames",
        "answer (kB)",
        "inline frames a frame",
        "calls/s",
        "echo calls/s",
        "ratio",
        "echo on the same core",
        "ratio to it",
        "frames/s",
        "p50 (ms)",
        "p99 (ms)",
        "echo p50 (ms)",
        "echo p99 (ms)",
    )
    return Table("Calls for what is remembered, against an echo server", columns, rows)


def _percentiles(loads: Sequence[Load]) -> tuple[float, float]:
    return (
        median_of(loads, lambda load: load.p50_milliseconds),
        median_of(loads, lambda load: load.p99_milliseconds),
    )


def _bars(loads: dict[int, dict[str, list[Load]]]) -> list[Bar]:
    bars = [
        Bar(f"calls/s with {frames:,} frames ÷ echo", _ratio(loads[frames], _ECHO), floor, True)
        for frames, floor in _FLOORS.items()
        if frames in loads
    ]
    if 1_000 in loads:
        calls = median_of(loads[1_000][_OURS], lambda load: load.calls_per_second)
        bars.append(
            Bar(
                "frames/s through gRPC, 1,000 frames with inlines",
                calls * 1_000,
                _FRAMES_PER_SECOND,
                is_floor=True,
            )
        )
    return bars


def _plot(loads: dict[int, dict[str, list[Load]]]) -> Plot:
    return Plot(
        "hot",
        "Calls for what is remembered",
        "frames in a call",
        "calls per second",
        {
            label: [
                (frames, median_of(of[name], lambda load: load.calls_per_second))
                for frames, of in loads.items()
            ]
            for name, label in ((_OURS, "Symbolon"), (_ECHO, "echo server"))
        },
        is_log=True,
    )


def _compare_lookups(
    bench: Bench, cases: Sequence[_Case], symbolon: Symbolon, caller: Caller
) -> tuple[Table, Bar] | None:
    """Compare frames/s of whole calls with those of `SymCache.lookup` alone, in its process."""
    case = cases[min(2, len(cases) - 1)]
    if not has_symbolic():
        return None
    caches = convert_files(bench.files)
    frames = [
        (caches[case.request.modules[frame.module_index].debug_file], frame.module_offset - 1)
        for stack in case.request.stacks
        for frame in stack.frames
    ]

    def call() -> float:
        seconds = bench.plan.load_seconds
        load = caller.load(symbolon.target, SYMBOLICATE, case.path, seconds, _CALLERS)
        return load.calls_per_second * case.frames

    def look_up_all() -> float:
        start = perf_counter()
        look_up(frames)
        return len(frames) / (perf_counter() - start)

    found = bench.rounds("hot: SymCache.lookup", {"symbolon": call, "symbolic": look_up_all})
    ratio = median_ratio(found["symbolon"], found["symbolic"])
    table = Table(
        f"The same {case.frames:,} frames, each looked up by `SymCache.lookup` from Python",
        ("Symbolon frames/s, through gRPC", "SymCache frames/s, in process", "ratio"),
        [(median_of(found["symbolon"], float), median_of(found["symbolic"], float), ratio)],
    )
    what = "frames/s through gRPC ÷ SymCache.lookup in process"
    return table, Bar(what, ratio, _TIMES_SYMBOLIC, is_floor=True)
