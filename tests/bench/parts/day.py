"""A day's worth of crash reports through `symbolon symbolicate`, killed once and resumed."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter
from typing import Final

from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Table
from tests.bench.world.caller import SYMBOLICATE, Caller
from tests.bench.world.crashes import STACK_FRAMES, CodeOffsets, crash, module_message
from tests.bench.world.programs import ROOT, Symbolon, SymbolServer
from tests.bench.world.symbol_files import generate_symbol_file

_SEED: Final = 23
_FRAMES: Final = 300
_OFFSETS_EACH: Final = 200
_SMALL_FILE_BYTES: Final = 300_000
_CALLERS: Final = 8
_HOT_FRAMES, _HOT_MODULES, _HOT_UNREFERENCED = 1_000, 20, 60
_SHARE_OF_ALIKE: Final = 0.6
_MOST_BYTES: Final = 200 * MB
_LOOK_SECONDS: Final = 0.05
_FIRST_OFFSET = re.compile(rb'"module_offset": "(0x[0-9a-f]+)"')


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the program from its start to its end."""

    seconds: float
    processes: int
    peak_bytes: int
    """The sum of what each process had at most."""

    answer_bytes: int


def run(bench: Bench) -> PartResult:
    """Measure one day: it is long enough not to need rounds."""
    random = Random(_SEED)
    small = generate_symbol_file("libday.so", _SMALL_FILE_BYTES, _SEED)
    files = [*bench.files]
    files += [small.with_another_id(random) for _ in range(bench.plan.day_modules - len(files))]
    modules = [CodeOffsets(file, file.sample_offsets(_OFFSETS_EACH, random)) for file in files]
    with (
        TemporaryDirectory(prefix="symbolon-day-") as folder,
        SymbolServer([*bench.files, small]) as supplier,
        Symbolon(supplier.url) as symbolon,
        Caller() as caller,
    ):
        hot, alike = _warm(bench, symbolon, caller, modules, random)
        day = _Day(symbolon.target, Path(folder), bench, modules, random)
        hot_frames = _HOT_FRAMES * _call(bench, symbolon, caller, hot)
        alike_frames = _FRAMES * _call(bench, symbolon, caller, alike)
        through = day.symbolicate()
        hot_frames = max(hot_frames, _HOT_FRAMES * _call(bench, symbolon, caller, hot))
        alike_frames = max(alike_frames, _FRAMES * _call(bench, symbolon, caller, alike))
        whole_lines = day.kill_and_go_on()
    frames = bench.plan.day_reports * _FRAMES / through.seconds
    rows = (
        ("reports", bench.plan.day_reports),
        ("frames of each", _FRAMES),
        ("modules of each", len(modules)),
        ("seconds", through.seconds),
        ("frames/s through the program", frames),
        ("hot unary frames/s, calls of 1,000 frames", hot_frames),
        ("hot unary frames/s, calls like the reports", alike_frames),
        ("processes of the program", through.processes),
        ("peak memory of all of them together (MB)", through.peak_bytes / MB),
        ("answers (MB)", through.answer_bytes / MB),
        ("whole lines when it was killed", whole_lines),
    )
    return PartResult(
        part="day",
        tables=[Table("A day's worth of reports, as JSON lines", ("what", "figure"), rows)],
        bars=[
            Bar(
                "frames/s ÷ hot unary frames/s of calls like the reports",
                frames / alike_frames,
                _SHARE_OF_ALIKE,
                is_floor=True,
            ),
            Bar("peak memory (MB)", through.peak_bytes / MB, _MOST_BYTES / MB, is_floor=False),
        ],
        notes=[
            "Killed half-way and resumed, the output has a line for each report, in order.",
            f"Of {len(modules)} modules the large ones have most of the frames.",
            f"{_CALLERS} callers at a time make the hot calls, and do not read the answers.",
        ],
    )


def _call(bench: Bench, symbolon: Symbolon, caller: Caller, request: Path) -> float:
    """Return calls per second for what is remembered."""
    seconds = bench.plan.load_seconds
    return caller.load(symbolon.target, SYMBOLICATE, request, seconds, _CALLERS).calls_per_second


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
    cumulated = list(accumulate(1 / (1 + index) for index, _ in places))
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


class _Day:
    """The reports of a day and their answers, as files."""

    def __init__(
        self,
        target: str,
        folder: Path,
        bench: Bench,
        modules: Sequence[CodeOffsets],
        random: Random,
    ) -> None:
        self._target = target
        self._bench = bench
        self._reports, self._answers = folder / "reports.jsonl", folder / "answers.jsonl"
        self._firsts = _write_reports(self._reports, bench.plan.day_reports, modules, random)
        self._answer_bytes = 0

    def symbolicate(self) -> _Run:
        """Return how it goes through from beginning to end."""
        self._bench.progress.begin("day: all reports", 1)
        run = self._run()
        self._answer_bytes = run.answer_bytes
        self._answers.unlink()
        return run

    def kill_and_go_on(self) -> int:
        """Kill a run when half of the output is there; return how many whole lines that is.

        A second run does the rest.
        """
        self._bench.progress.begin("day: killed and resumed", 1)
        pause = Event()
        with self._start() as program:
            while program.poll() is None and self._size() < self._answer_bytes / 2:
                pause.wait(_LOOK_SECONDS)
            program.send_signal(signal.SIGKILL)
        whole_lines = sum(line.endswith(b"\n") for line in _read_lines(self._answers))
        self._run()
        return whole_lines

    def _size(self) -> int:
        return self._answers.stat().st_size if self._answers.exists() else 0

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "symbolon", "symbolicate", "--target", self._target]
        flags = ["--output", str(self._answers), "--no-progress"]
        return subprocess.Popen([*command, *flags, str(self._reports)], cwd=ROOT)

    def _run(self) -> _Run:
        """Run the program to its end; raise unless each report has its line then."""
        started = perf_counter()
        pause = Event()
        peaks: dict[int, int] = {}
        with self._start() as program:
            while program.poll() is None:
                for process_id in (program.pid, *_find_children(program.pid)):
                    peaks[process_id] = max(peaks.get(process_id, 0), _read_peak_bytes(process_id))
                pause.wait(_LOOK_SECONDS)
        seconds = perf_counter() - started
        if program.returncode != 0:
            raise RuntimeError(f"symbolon symbolicate ended with {program.returncode}")
        found = map(_FIRST_OFFSET.search, _read_lines(self._answers))
        if [int(first[1], 16) for first in found if first] != self._firsts:
            raise RuntimeError("the output does not have one line for each report, in order")
        return _Run(seconds, len(peaks), sum(peaks.values()), self._size())


def _find_children(process_id: int) -> Iterator[int]:
    """Yield the processes that a process has started."""
    for thread in Path(f"/proc/{process_id}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            yield from map(int, thread.read_text(encoding="ascii").split())


def _read_peak_bytes(process_id: int) -> int:
    """Return the most memory that a process has had so far, 0 when it is gone.

    What `wait4` tells of it is too much: it begins with the memory of the process that started it.
    """
    status = ""
    with suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1_024 if found else 0


def _read_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
