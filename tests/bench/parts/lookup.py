"""Frames found and encoded in process, against `SymCache.lookup` from Python."""

from collections.abc import Sequence
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from symbolon_server.symbolication.looking_up.new_frames import Lookup, ModuleFrames
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.paging.reader import Page
from tests.bench.plan import Bench
from tests.bench.results import Cell, PartResult, Plot, Table, median_of, median_ratio
from tests.bench.world.modules import BenchModule, read_module
from tests.bench.world.symbol_files import SymbolFile
from tests.bench.world.symbolic_peer import convert, has_symbolic, look_up

_SEED = 19
_HELD_BYTES = 1 << 30


def run(bench: Bench) -> PartResult:
    """Measure each symbol file alone."""
    rows: list[list[Cell]] = []
    curve: list[tuple[float, float]] = []
    for file in bench.files:
        bench.progress.begin(f"lookup: {file.name} is read", 1)
        module = read_module(file, Random(_SEED))
        offsets = file.sample_offsets(bench.plan.lookups, Random(_SEED))
        pages = PagesOfFrames(module, offsets)
        measures = {"symbolon": pages.look_up}
        if has_symbolic():
            measures["symbolic"] = _symbolic_lookup(file, offsets)
        found = bench.rounds(f"lookup: {file.name}", measures)
        frames_per_second = median_of(found["symbolon"], float)
        curve.append((module.paged.directory.facts.ranges, 1e6 / frames_per_second))
        rows.append(
            [
                file.name,
                module.paged.directory.facts.ranges,
                frames_per_second,
                *_against_symbolic(found),
                pages.microseconds_to_decode,
            ]
        )
    columns = (
        "symbol file",
        "ranges",
        "frames/s",
        "SymCache frames/s",
        "ratio",
        "decoding one page (µs)",
    )
    title = "Distinct frames found in decoded pages and encoded, against `SymCache.lookup`"
    plot = Plot(
        "lookup",
        "Finding and encoding one frame",
        "ranges of the module",
        "µs a frame",
        {"Symbolon": sorted(curve)},
    )
    return PartResult(part="lookup", tables=[Table(title, columns, rows)], plots=[plot])


def _against_symbolic(found: dict[str, list[float]]) -> tuple[Cell, Cell]:
    if "symbolic" not in found:
        return "-", "-"
    return (
        median_of(found["symbolic"], float),
        median_ratio(found["symbolon"], found["symbolic"]),
    )


class PagesOfFrames:
    """The pages of a module that some frames need, decoded, and the frames."""

    def __init__(self, module: BenchModule, offsets: Sequence[int]) -> None:
        self._module_id = module.module_id
        self._held = ServerMemory(_HELD_BYTES).put_module(module.module_id, module.paged.directory)
        self._lookups: list[Lookup] = [(offset + 1, True) for offset in offsets]
        needed = self._ask().lookups_by_page()
        dictionary = module.dictionary()
        microseconds = []
        self._pages = {}
        for key in needed:
            start = perf_counter()
            data = module.paged.pages[key.number]
            self._pages[key] = Page.decode(key.owner, data, dictionary)
            microseconds.append((perf_counter() - start) * 1e6)
        self.microseconds_to_decode = median(microseconds)

    def look_up(self) -> float:
        """Return the frames a second of one pass over the frames."""
        work = self._ask()
        start = perf_counter()
        for key, lookups in work.lookups_by_page().items():
            work.answer_from(self._pages[key], lookups)
        return len(work.frames) / (perf_counter() - start)

    def _ask(self) -> ModuleFrames:
        return ModuleFrames(AskedModule(self._module_id), dict.fromkeys(self._lookups), self._held)


def _symbolic_lookup(file: SymbolFile, offsets: Sequence[int]) -> Any:
    cache = convert(file.path.read_bytes())
    frames = [(cache, offset) for offset in offsets]

    def measure() -> float:
        start = perf_counter()
        look_up(frames)
        return len(frames) / (perf_counter() - start)

    return measure
