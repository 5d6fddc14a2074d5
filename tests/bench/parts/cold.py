"""Calls for modules that nobody has seen before, against a bare download and `symbolic`."""

from random import Random
from time import perf_counter
from typing import Final

from symbolon_server.redis_servers.servers import connect
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, Cell, PartResult, Table, median_of, median_ratio
from tests.bench.world.caller import Caller
from tests.bench.world.crashes import CodeOffsets, crash
from tests.bench.world.programs import Symbolon, SymbolServer
from tests.bench.world.symbol_files import SymbolFile, generate_symbol_file
from tests.bench.world.symbolic_peer import fetch_and_convert, has_symbolic

_SEED = 13
_FRAMES = 20
_SMALL_BYTES = 60_000
_SMALL_TEXTS = 8
"""Different small symbol files; the modules of one stack share them under other ids."""

_LARGE_BYTES: Final = 10 * MB
_LIMIT: Final = 1.5
_SMALL_MILLISECONDS: Final = 40.0


def run(bench: Bench) -> PartResult:
    """Measure each symbol file alone, then many small ones in one call."""
    random = Random(_SEED)
    small = [
        generate_symbol_file(f"libsmall{number}.so", _SMALL_BYTES, _SEED + number)
        for number in range(_SMALL_TEXTS)
    ]
    with (
        SymbolServer([*bench.files, *small]) as supplier,
        Symbolon(supplier.url) as symbolon,
        Caller() as caller,
    ):
        cold = _Cold(bench, supplier, symbolon, caller, random)
        rows, bars = [], []
        for file in bench.files:
            row, ratio = cold.measure(file)
            rows.append(row)
            if file.size > _LARGE_BYTES and ratio is not None:
                what = f"cold {file.name} ÷ (download + symbolic)"
                bars.append(Bar(what, ratio, _LIMIT, is_floor=False))
        small_table, small_bar = cold.measure_small(small)
    columns = (
        "symbol file",
        "MB",
        "call to answer (s)",
        "download + symbolic (s)",
        "ratio",
        "MB/s",
    )
    title = "One module that is nowhere, from a supplier on loopback"
    return PartResult(
        part="cold",
        tables=[Table(title, columns, rows), small_table],
        bars=[*bars, small_bar],
        notes=["The spool is on, as it is by default, and has none of the modules."],
    )


class _Cold:
    def __init__(
        self,
        bench: Bench,
        supplier: SymbolServer,
        symbolon: Symbolon,
        caller: Caller,
        random: Random,
    ) -> None:
        self._bench = bench
        self._supplier = supplier
        self._symbolon = symbolon
        self._caller = caller
        self._random = random

    def measure(self, file: SymbolFile) -> tuple[list[Cell], float | None]:
        """Return the row of one symbol file, and its ratio."""
        offsets = file.sample_offsets(_FRAMES, self._random)
        measures = {"symbolon": lambda: self._symbolicate(file, offsets)}
        if has_symbolic():
            measures["symbolic"] = lambda: self._convert(file)
        found = self._bench.rounds(f"cold: {file.name}", measures)
        seconds = median_of(found["symbolon"], float)
        row: list[Cell] = [file.name, file.size / MB, seconds]
        if not has_symbolic():
            return [*row, "-", "-", file.size / MB / seconds], None
        ratio = median_ratio(found["symbolon"], found["symbolic"])
        theirs = median_of(found["symbolic"], float)
        return [*row, theirs, ratio, file.size / MB / seconds], ratio

    def measure_small(self, texts: list[SymbolFile]) -> tuple[Table, Bar]:
        """Return what a call costs that meets many small modules, per module."""
        count = self._bench.plan.small_modules

        def symbolicate() -> float:
            self._empty_store()
            files = [
                texts[number % len(texts)].with_another_id(self._random) for number in range(count)
            ]
            modules = [CodeOffsets(file, file.sample_offsets(1, self._random)) for file in files]
            request = crash(modules, count, self._random)
            for frame, index in zip(request.stacks[0].frames, range(count), strict=False):
                frame.module_index = index
            start = perf_counter()
            self._caller.answer_fully(self._symbolon, request)
            return (perf_counter() - start) * 1e3 / count

        found = self._bench.rounds("cold: small modules", {"symbolon": symbolicate})["symbolon"]
        milliseconds = median_of(found, float)
        kilobytes = sum(file.size for file in texts) / len(texts) / 1e3
        table = Table(
            "Small modules that are nowhere, all in one call",
            ("modules", "kB each", "ms a module"),
            [(count, kilobytes, milliseconds)],
        )
        what = f"ms a module, {count} small modules in one call"
        return table, Bar(what, milliseconds, _SMALL_MILLISECONDS, is_floor=False)

    def _symbolicate(self, file: SymbolFile, offsets: list[int]) -> float:
        self._empty_store()
        module = CodeOffsets(file.with_another_id(self._random), offsets)
        request = crash([module], _FRAMES, self._random)
        start = perf_counter()
        self._caller.answer_fully(self._symbolon, request)
        return perf_counter() - start

    def _convert(self, file: SymbolFile) -> float:
        start = perf_counter()
        fetch_and_convert(self._supplier.url_of(file))
        return perf_counter() - start

    def _empty_store(self) -> None:
        with connect(self._symbolon.store_url) as store:
            store.flushall()
