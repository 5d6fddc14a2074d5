"""Native files: from the file to pages, against symbolic's own conversion of it."""

from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.parts.native_conversion import Conversion, convert_alone, write_pages_of
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Table, median_ratio
from tests.bench.world.native_files import find_native_files

_TIMES_SYMBOLIC: Final = 1.9
_TIMES_SYMCACHE: Final = 4.0
_SHARE: Final = 0.12
_LARGE_SYMCACHE: Final = 4 * MB
"""The bar of time is for files whose SymCache is larger: below, what is done once counts more."""


def run(bench: Bench) -> PartResult:
    """Measure each file in processes of their own, one after the other, in rounds."""
    rows: list[tuple[str | float, ...]] = []
    bars: list[Bar] = []
    for path in find_native_files(bench.plan):
        found = bench.rounds(
            f"native: {path.name}",
            {
                "symbolic": lambda: convert_alone(path),  # noqa: B023 - called at once
                "pages": lambda: write_pages_of(path),  # noqa: B023 - called at once
            },
        )
        row, its_bars = _compare(path, found["symbolic"], found["pages"])
        rows.append(row)
        bars += its_bars
    columns = (
        "native file",
        "MB",
        "SymCache (MB)",
        "pages (MB)",
        "pages ÷ file",
        "symbolic (CPU s)",
        "to pages (CPU s)",
        "ratio",
        "symbolic, peak (MB)",
        "to pages, peak (MB)",
    )
    title = "From a native file to pages, and symbolic's conversion alone"
    return PartResult(part="native", tables=[Table(title, columns, rows)], bars=bars)


def _compare(
    path: Path, alone: list[Conversion], written: list[Conversion]
) -> tuple[tuple[str | float, ...], list[Bar]]:
    size, symcache = path.stat().st_size, alone[0].symcache_bytes
    pages = written[0].page_bytes
    ratio = median_ratio([one.cpu_seconds for one in written], [one.cpu_seconds for one in alone])
    library_peak = median(one.peak_bytes for one in alone)
    peak = median(one.peak_bytes for one in written)
    row = (
        path.name,
        size / MB,
        symcache / MB,
        pages / MB,
        pages / size,
        median(one.cpu_seconds for one in alone),
        median(one.cpu_seconds for one in written),
        ratio,
        library_peak / MB,
        peak / MB,
    )
    bars = [Bar(f"pages ÷ native file, {path.name}", pages / size, _SHARE, is_floor=False)]
    if symcache > _LARGE_SYMCACHE:
        memory = (peak - library_peak) / symcache
        bars += [
            Bar(f"to pages ÷ symbolic, {path.name}", ratio, _TIMES_SYMBOLIC, is_floor=False),
            Bar(
                f"memory beyond symbolic's ÷ SymCache, {path.name}",
                memory,
                _TIMES_SYMCACHE,
                is_floor=False,
            ),
        ]
    return row, bars
