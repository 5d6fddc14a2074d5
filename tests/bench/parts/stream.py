"""Requests over streams, against calls of the same size."""

from pathlib import Path
from random import Random
from typing import Final

from symbolon.v1.symbolication_service_pb2 import SymbolicateStreamRequest
from tests.bench.plan import Bench
from tests.bench.results import Bar, PartResult, Table, median_of, median_ratio
from tests.bench.world.caller import SYMBOLICATE, UNANSWERED, Caller
from tests.bench.world.crashes import crash, sample_modules
from tests.bench.world.programs import Symbolon, SymbolServer

_SEED = 13
_CALLERS: Final = 8
_STREAMS: Final = 2
_MODULES, _UNREFERENCED = 20, 60
_FLOOR: Final = 0.7


def run(bench: Bench) -> PartResult:
    """Measure requests of each size, everything remembered."""
    random = Random(_SEED)
    modules = sample_modules(bench.files, _MODULES, max(bench.plan.stream_frames), random)
    rows, bars = [], []
    with (
        SymbolServer(bench.files) as supplier,
        Symbolon(supplier.url) as symbolon,
        Caller() as caller,
    ):
        for frames in bench.plan.stream_frames:
            request = crash(modules, frames, random, unreferenced=_UNREFERENCED)
            caller.answer_fully(symbolon, request)
            unary = caller.write_request(f"unary-{frames}", request.SerializeToString())
            in_stream = SymbolicateStreamRequest(id="0", request=request).SerializeToString()
            stream = caller.write_request(f"stream-{frames}", in_stream)
            found = _compare(bench, caller, symbolon.target, frames, (unary, stream))
            ratio = median_ratio(found["stream"], found["unary"])
            a_second = {name: median_of(samples, float) for name, samples in found.items()}
            rows.append(
                (frames, a_second["stream"], a_second["unary"], a_second["stream"] * frames, ratio)
            )
            what = f"frames/s over streams ÷ by calls, {frames:,} frames each"
            bars.append(Bar(what, ratio, _FLOOR, is_floor=True))
    columns = ("frames", "stream requests/s", "calls/s", "stream frames/s", "ratio")
    return PartResult(
        part="stream",
        tables=[Table("Requests over streams, against calls", columns, rows)],
        bars=bars,
        plots=[],
        notes=[
            (
                f"{_STREAMS} streams with {UNANSWERED} requests each that have no answer yet, "
                f"against {_CALLERS} callers at a time; client and server each have a process."
            )
        ],
    )


def _compare(
    bench: Bench, caller: Caller, target: str, frames: int, requests: tuple[Path, Path]
) -> dict[str, list[float]]:
    """Return requests a second, in turn by calls and over streams."""
    unary, stream = requests
    seconds = bench.plan.load_seconds

    def call() -> float:
        return caller.load(target, SYMBOLICATE, unary, seconds, _CALLERS).calls_per_second

    def send() -> float:
        return caller.stream(target, stream, seconds, _STREAMS)

    return bench.rounds(f"stream: {frames} frames", {"unary": call, "stream": send})
