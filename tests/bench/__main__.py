"""Measures Symbolon: `python -m tests.bench [part ...]`, or `report` for the documents."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table as RichTable

from tests.bench.plan import QUICK, Bench, Plan
from tests.bench.report import write_report
from tests.bench.results import PartResult, show
from tests.bench.world.programs import ROOT
from tests.bench.world.symbol_files import FOLDER_VARIABLE, find_symbol_files

PARTS = (
    "hot",
    "gateway",
    "cold",
    "native",
    "memory",
    "lookup",
    "fresh",
    "warm",
    "scale",
    "hit_ratio",
    "put",
    "stream",
    "day",
    "start",
)
RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = ROOT / ".cache" / "bench" / "results"

_PACKAGES = ("grpcio", "numpy", "protobuf", "redis", "zstandard")


class _Bar:
    """A progress bar for what is being measured at the moment."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, label: str, steps: int) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(label, total=steps)

    def advance(self) -> None:
        if self._task is not None:
            self._progress.advance(self._task)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are asked for; return 1 when a figure misses its bar."""
    asked = _parse(arguments)
    if asked.parts == ["report"]:
        write_report(RESULTS, Path(__file__).with_name("README.md"), PARTS)
        return 0
    plan = QUICK if asked.quick else replace(Plan(), rounds=asked.rounds)
    console = Console(width=None if sys.stdout.isatty() else 160)
    with _progress(console) as bar:
        bar.begin("symbol files", 1)
        bench = Bench(find_symbol_files(plan.generated_bytes), plan, bar)
        results = []
        for part in asked.parts or PARTS:
            measure: Callable[[Bench], PartResult] = import_module(f"tests.bench.parts.{part}").run
            result = replace(measure(bench), about=_about(bench))
            result.write(asked.results / f"{part}.json")
            _print(console, result)
            results.append(result)
    is_missed = any(not bar.is_met for result in results for bar in result.bars)
    return int(is_missed and not asked.quick)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    choices = (*PARTS, "report")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(choices)}")
    parser.add_argument("--rounds", type=int, default=Plan().rounds, help="of each comparison")
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--results", type=Path, help="folder for the JSON files")
    asked = parser.parse_args(arguments)
    unknown = set(asked.parts) - set(choices)
    if unknown or ("report" in asked.parts and len(asked.parts) > 1):
        parser.error(f"parts are {', '.join(choices)}; report stands alone")
    asked.results = asked.results or (QUICK_RESULTS if asked.quick else RESULTS)
    return asked


@contextmanager
def _progress(console: Console) -> Iterator[_Bar]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


def _print(console: Console, result: PartResult) -> None:
    for table in result.tables:
        shown = RichTable(title=table.title, title_justify="left")
        for column in table.columns:
            shown.add_column(column, justify="right" if column != table.columns[0] else "left")
        for row in table.rows:
            shown.add_row(*(show(cell) for cell in row))
        console.print(shown)
    for bar in result.bars:
        sign = "≥" if bar.is_floor else "≤"
        colour, word = ("green", "met") if bar.is_met else ("red", "MISSED")
        console.print(
            f"[{colour}]{word:>6}[/]  {bar.what}: {show(bar.figure)} {sign} {show(bar.limit)}",
            highlight=False,
        )
    for note in result.notes:
        console.print(note, style="dim", highlight=False)


def _about(bench: Bench) -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "rounds": bench.plan.rounds,
        "load_at_end": list(os.getloadavg()),
        "symbol_files": {file.name: file.size for file in bench.files},
        "are_generated": FOLDER_VARIABLE not in os.environ,
    }


if __name__ == "__main__":
    sys.exit(main())
