"""A day's worth of crash reports through `symbolon symbolicate`, killed once and gone on with."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter
from typing import Final

from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from tests.bench.caller import SYMBOLICATE, Caller
from tests.bench.crashes import STACK_FRAMES, CodeOffsets, crash, module_message
from tests.bench.plan import MB, Bench
from tests.bench.programs import ROOT, Symbolon, SymbolServer
from tests.bench.results import Bar, PartResult, Table
from tests.bench.symbol_files import generate_symbol_file

_SEED: Final = 23
_MODULES, _FRAMES = 200, 300
_OFFSETS_EACH: Final = 200
_SMALL_FILE_BYTES: Final = 300_000
_CALLERS: Final = 8
_HOT_FRAMES, _HOT_MODULES, _HOT_UNREFERENCED = 1_000, 20, 60
_SHARE_OF_HOT: Final = 0.5
_MOST_BYTES: Final = 200 * MB
_LOOK_SECONDS: Final = 0.05
_FIRST_OFFSET = re.compile(rb'"module_offset": "(0x[0-9a-f]+)"')


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the program from its start to its end."""

    seconds: float
    peak_bytes: int
    exit_code: int


def run(bench: Bench) -> PartResult:
    """Measure one day: it is long enough not to need rounds."""
    random = Random(_SEED)
    small = generate_symbol_file("libday.so", _SMALL_FILE_BYTES, _SEED)
    files = [*bench.files, small]
    with (
        TemporaryDirectory(prefix="symbolon-day-") as folder,
        SymbolServer(files) as supplier,
        Symbolon(supplier.url) as symbolon,
        Caller() as caller,
    ):
        chosen = [*bench.files]
        chosen += [small.with_another_id(random) for _ in range(_MODULES - len(chosen))]
        modules = [CodeOffsets(file, file.sample_offsets(_OFFSETS_EACH, random)) for file in chosen]
        whole, alike = _warm(bench, symbolon, caller, modules, random)
        hot = caller.load(symbolon.target, SYMBOLICATE, whole, bench.plan.load_seconds, _CALLERS)
        same = caller.load(symbolon.target, SYMBOLICATE, alike, bench.plan.load_seconds, _CALLERS)
        reports, answers = Path(folder, "reports.jsonl"), Path(folder, "answers.jsonl")
        firsts = _write_reports(reports, bench.plan.day_reports, modules, random)
        bench.progress.begin("day: all reports", 1)
        through = _symbolicate(symbolon.target, reports, answers)
        size = answers.stat().st_size
        _check(answers, firsts)
        answers.unlink()
        bench.progress.begin("day: killed and gone on with", 1)
        killed_at = _kill_half_way(symbolon.target, reports, answers, size)
        _symbolicate(symbolon.target, reports, answers)
        _check(answers, firsts)
    frames = bench.plan.day_reports * _FRAMES / through.seconds
    hot_frames = hot.calls_per_second * _HOT_FRAMES
    same_frames = same.calls_per_second * _FRAMES
    columns = ("what", "figure")
    rows = (
        ("reports", bench.plan.day_reports),
        ("frames of each", _FRAMES),
        ("modules of each", _MODULES),
        ("seconds", through.seconds),
        ("frames/s through the program", frames),
        ("hot unary frames/s, calls of 1,000 frames", hot_frames),
        ("hot unary frames/s, calls like the reports", same_frames),
        ("peak memory of the program (MB)", through.peak_bytes / MB),
        ("answers (MB)", size / MB),
        ("whole lines when it was killed", killed_at),
    )
    return PartResult(
        part="day",
        tables=[Table("A day's worth of reports, as JSON lines", columns, rows)],
        bars=[
            Bar("frames/s ÷ hot unary frames/s", frames / hot_frames, _SHARE_OF_HOT, is_floor=True),
            Bar("peak memory (MB)", through.peak_bytes / MB, _MOST_BYTES / MB, is_floor=False),
        ],
        notes=[
            "Killed half-way and started again, the output has a line for each report, in order.",
            (
                f"Of {_MODULES} modules the large ones have the most frames; {_CALLERS} callers at "
                "a time make the hot unary calls, and do not read the answers."
            ),
        ],
    )


def _warm(
    bench: Bench,
    symbolon: Symbolon,
    caller: Caller,
    modules: Sequence[CodeOffsets],
    random: Random,
) -> tuple[Path, Path]:
    """Let the server remember every frame; return requests of 1,000 frames and like a report."""
    bench.progress.begin("day: modules are made ready", len(modules))
    for code in modules:
        request = SymbolicateRequest(modules=[module_message(code.file.module_id)])
        stack = request.stacks.add()
        for offset in code.offsets:
            stack.frames.add(module_index=0, module_offset=offset)
        caller.answer_fully(symbolon, request)
        bench.progress.advance()
    hot = crash(modules[:_HOT_MODULES], _HOT_FRAMES, random, unreferenced=_HOT_UNREFERENCED)
    paths = []
    for name, request in (("hot", hot), ("alike", crash(modules, _FRAMES, random))):
        caller.answer_fully(symbolon, request)
        paths.append(caller.write_request(name, request.SerializeToString()))
    return paths[0], paths[1]


def _write_reports(
    path: Path, count: int, modules: Sequence[CodeOffsets], random: Random
) -> list[int]:
    """Write so many reports, all different; return the first offset of each."""
    places = [(index, offset) for index, code in enumerate(modules) for offset in code.offsets]
    weights = [1 / (1 + index) for index, _ in places]
    cumulated = [sum(weights[:1])]
    for weight in weights[1:]:
        cumulated.append(cumulated[-1] + weight)
    memory_map = [
        [code.file.module_id.debug_file, code.file.module_id.debug_id] for code in modules
    ]
    firsts = []
    with path.open("w", encoding="ascii") as file:
        for _ in range(count):
            frames = random.choices(places, cum_weights=cumulated, k=_FRAMES)
            stacks = [
                frames[start : start + STACK_FRAMES] for start in range(0, _FRAMES, STACK_FRAMES)
            ]
            file.write(json.dumps({"memoryMap": memory_map, "stacks": stacks}) + "\n")
            firsts.append(frames[0][1])
    return firsts


def _start(target: str, reports: Path, answers: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "symbolon", "symbolicate", "--target", target]
    return subprocess.Popen(
        [*command, "--output", str(answers), "--no-progress", str(reports)], cwd=ROOT
    )


def _symbolicate(target: str, reports: Path, answers: Path) -> _Run:
    started = perf_counter()
    program = _start(target, reports, answers)
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode != 0:
        raise RuntimeError(f"symbolon symbolicate ended with {program.returncode}")
    return _Run(perf_counter() - started, usage.ru_maxrss * 1_024, program.returncode)


def _kill_half_way(target: str, reports: Path, answers: Path, size: int) -> int:
    """Kill a run when half of the output is there; return how many whole lines that is."""
    pause = Event()
    with _start(target, reports, answers) as program:
        while program.poll() is None and (
            not answers.exists() or answers.stat().st_size < size / 2
        ):
            pause.wait(_LOOK_SECONDS)
        program.send_signal(signal.SIGKILL)
    return sum(1 for line in _read_lines(answers) if line.endswith(b"\n"))


def _check(answers: Path, firsts: Sequence[int]) -> None:
    """Raise unless there is one line for each report, in their order."""
    found = [
        int(offset[1], 16)
        for line in _read_lines(answers)
        if (offset := _FIRST_OFFSET.search(line))
    ]
    if found != list(firsts):
        raise RuntimeError("the output does not have one line for each report, in order")


def _read_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
