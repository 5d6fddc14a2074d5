"""Calls over HTTP, against calls over gRPC; and what a large body does to others."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from tests.bench.plan import MB, Bench, Plan
from tests.bench.results import Bar, Cell, PartResult, Table, median_of, median_ratio
from tests.bench.world.caller import SYMBOLICATE, Caller, Load
from tests.bench.world.crashes import crash, sample_modules
from tests.bench.world.http_calls import HttpConnection, as_json
from tests.bench.world.programs import Symbolon, SymbolServer

_SEED = 17
_CALLERS: Final = 8
_MODULES, _UNREFERENCED = 20, 60
_FLOORS: Final = {50: 0.55, 1_000: 0.3}
_PATH: Final = "/symbolicate/v5"

_GRPC, _AGAIN, _MIXED = "grpc", "again", "mixed"
_ALONE, _BESIDE = "alone", "beside"
_HELD_UP_MILLISECONDS: Final = 50


@dataclass(frozen=True, slots=True)
class _Case:
    frames: int
    request: Path
    body: bytes
    answer: bytes
    mixed: Sequence[bytes]
    """Bodies of which no two have the same frames in the same order; each frame is remembered."""


def run(bench: Bench) -> PartResult:
    """Measure bodies of each size."""
    with (
        SymbolServer(bench.files) as supplier,
        Symbolon(supplier.url, {"SYMBOLON_HTTP": "127.0.0.1:0"}) as symbolon,
        Caller() as caller,
    ):
        cases = _make_cases(bench, symbolon, caller)
        loads = {case.frames: _load(bench, caller, case, symbolon) for case in cases}
        delays = _hold_up(bench, caller, cases[0], symbolon)
    return PartResult(
        part="gateway",
        tables=[_table(cases, loads), delays[0]],
        bars=[*_bars(loads), delays[1]],
        notes=[
            (
                f"{_CALLERS} callers at a time; client, gateway and server each have a process. "
                f"Bodies name {_MODULES} modules with frames and {_UNREFERENCED} without; the "
                "server remembers all frames."
            ),
            (
                "“Again” is one body, as the calls over gRPC are one request. “New” are bodies "
                "that are each sent once: the same frames in another order."
            ),
        ],
    )


def _make_cases(bench: Bench, symbolon: Symbolon, caller: Caller) -> list[_Case]:
    random = Random(_SEED)
    plan = bench.plan
    bench.progress.begin("gateway: modules are made ready", len(plan.gateway_frames))
    modules = sample_modules(bench.files, _MODULES, max(plan.gateway_frames), random)
    cases = []
    for frames in plan.gateway_frames:
        request = crash(modules, frames, random, unreferenced=_UNREFERENCED)
        cases.append(_make_case(symbolon, caller, request, frames, plan))
        bench.progress.advance()
    return cases


def _make_case(
    symbolon: Symbolon,
    caller: Caller,
    request: SymbolicateRequest,
    frames: int,
    plan: Plan,
) -> _Case:
    random = Random(_SEED)
    over_grpc = SymbolicateResponse.FromString(caller.answer_fully(symbolon, request))
    path = caller.write_request(f"gateway-{frames}", request.SerializeToString())
    document = as_json(request)
    with HttpConnection(symbolon.http, _PATH) as connection:
        answer = connection.call(json.dumps(document).encode())
    _compare(over_grpc, json.loads(answer))
    mixed = [_mix(document, random) for _ in range(plan.gateway_new * plan.rounds // frames + 1)]
    return _Case(frames, path, json.dumps(document).encode(), answer, mixed)


def _compare(over_grpc: SymbolicateResponse, over_http: Any) -> None:
    """Raise `ValueError` unless both found the same functions and inline frames."""
    ours = [
        (frame.get("function", ""), len(frame.get("inlines", ())))
        for stack in over_http["results"][0]["stacks"]
        for frame in stack
    ]
    theirs = [
        (frame.function, len(frame.inlines)) for stack in over_grpc.stacks for frame in stack.frames
    ]
    if ours != theirs:
        raise ValueError("the gateway found something else than gRPC")


def _mix(document: Mapping[str, Any], random: Random) -> bytes:
    """Return a body with the same frames, dealt anew to stacks of the same lengths."""
    frames = [frame for stack in document["stacks"] for frame in stack]
    random.shuffle(frames)
    left = iter(frames)
    stacks = [[next(left) for _ in stack] for stack in document["stacks"]]
    return json.dumps({**document, "stacks": stacks}).encode()


def _load(bench: Bench, caller: Caller, case: _Case, symbolon: Symbolon) -> dict[str, list[Load]]:
    seconds = bench.plan.load_seconds
    each = len(case.mixed) // bench.plan.rounds or 1
    pending = [case.mixed[start : start + each] for start in range(0, len(case.mixed), each)]
    measures: dict[str, Callable[[], Load]] = {
        _GRPC: lambda: caller.load(symbolon.target, SYMBOLICATE, case.request, seconds, _CALLERS),
        _AGAIN: lambda: caller.post(symbolon.http, _PATH, [case.body], _CALLERS, seconds),
        _MIXED: lambda: caller.post(symbolon.http, _PATH, pending.pop(), _CALLERS),
    }
    return bench.rounds(f"gateway: {case.frames} frames", measures)


def _ratio(loads: Mapping[str, Sequence[Load]], what: str) -> float:
    ours, theirs = ([load.calls_per_second for load in loads[name]] for name in (what, _GRPC))
    return median_ratio(ours, theirs)


def _table(cases: Sequence[_Case], loads: Mapping[int, Mapping[str, Sequence[Load]]]) -> Table:
    rows: list[list[Cell]] = []
    for case in cases:
        of = loads[case.frames]
        calls = {
            name: median_of(each, lambda load: load.calls_per_second) for name, each in of.items()
        }
        rows.append(
            [
                case.frames,
                len(case.body) / 1e3,
                len(case.answer) / 1e3,
                calls[_GRPC],
                calls[_AGAIN],
                _ratio(of, _AGAIN),
                calls[_MIXED],
                _ratio(of, _MIXED),
                calls[_AGAIN] * case.frames,
                calls[_MIXED] * case.frames,
            ]
        )
    columns = (
        "frames",
        "body (kB)",
        "answer (kB)",
        "gRPC calls/s",
        "again calls/s",
        "ratio",
        "new calls/s",
        "ratio of new",
        "again frames/s",
        "new frames/s",
    )
    return Table("Calls over HTTP for what the server remembers, against gRPC", columns, rows)


def _bars(loads: Mapping[int, Mapping[str, Sequence[Load]]]) -> list[Bar]:
    return [
        Bar(
            f"calls/s over HTTP ÷ gRPC, {frames:,} frames, again",
            _ratio(loads[frames], _AGAIN),
            floor,
            is_floor=True,
        )
        for frames, floor in _FLOORS.items()
        if frames in loads
    ]


def _hold_up(bench: Bench, caller: Caller, case: _Case, symbolon: Symbolon) -> tuple[Table, Bar]:
    """Compare the calls of one caller alone with those beside large bodies."""
    plan = bench.plan
    large = _make_large(json.loads(case.body), plan.gateway_large_bytes)
    few = case.mixed[:1]

    def alone() -> Load:
        return caller.post(symbolon.http, _PATH, few, 1, plan.load_seconds)

    with Caller() as other, ThreadPoolExecutor(1) as thread:

        def beside() -> Load:
            begun = thread.submit(other.post, symbolon.http, _PATH, [large], 1, plan.load_seconds)
            load = caller.post(symbolon.http, _PATH, few, 1, plan.load_seconds)
            begun.result()
            return load

        loads = bench.rounds("gateway: a large body", {_ALONE: alone, _BESIDE: beside})
    longest = {name: [load.most_milliseconds for load in each] for name, each in loads.items()}
    more = median(
        beside - alone for alone, beside in zip(longest[_ALONE], longest[_BESIDE], strict=True)
    )
    rows: list[list[Cell]] = [
        [
            name,
            *(
                median_of(loads[name], percentile)
                for percentile in (
                    lambda load: load.p50_milliseconds,
                    lambda load: load.p99_milliseconds,
                    lambda load: load.most_milliseconds,
                )
            ),
        ]
        for name in (_ALONE, _BESIDE)
    ]
    table = Table(
        f"Calls with {case.frames} frames, alone and beside bodies of {len(large) / MB:.1f} MB",
        ("", "p50 (ms)", "p99 (ms)", "longest (ms)"),
        rows,
    )
    what = f"ms by which the longest call is longer beside bodies of {len(large) / MB:.1f} MB"
    return table, Bar(what, more, _HELD_UP_MILLISECONDS, is_floor=False)


def _make_large(document: Mapping[str, Any], size: int) -> bytes:
    """Return a body with the same stacks so often that it has this size."""
    # In lines, because without them it would exceed the limit of frames before it has the size.
    each = len(json.dumps(document["stacks"], indent=0)) - 1
    stacks = [*document["stacks"]] * (size // each + 1)
    return json.dumps({**document, "stacks": stacks}, indent=0).encode()
