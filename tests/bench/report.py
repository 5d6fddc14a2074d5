"""Puts the figures of the last run into the document, as tables and plots."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.plots import draw
from tests.bench.results import Bar, PartResult, Table, show

BEGIN, END = (
    "<!-- figures: written by `python -m tests.bench report` -->",
    "<!-- end of figures -->",
)

_BETWEEN = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)


def write_report(results: Path, document: Path, parts: Sequence[str]) -> None:
    """Write the figures in `results` into `document`, and their plots beside the figures."""
    found = [PartResult.read(path) for part in parts if (path := results / f"{part}.json").exists()]
    for result in found:
        for plot in result.plots:
            (results / f"{plot.name}.svg").write_text(draw(plot), encoding="utf-8")
    figures = "\n".join([BEGIN, "", *_bars(found), *_parts(found, results.name), END])
    text = document.read_text(encoding="utf-8")
    document.write_text(_BETWEEN.sub(lambda _: figures, text), encoding="utf-8")


def _bars(results: Sequence[PartResult]) -> Iterator[str]:
    """Yield the table of everything that is held to a limit."""
    yield from _markdown(
        ("part", "what", "figure", "bar", ""),
        [(result.part, *_bar_cells(bar)) for result in results for bar in result.bars],
    )


def _bar_cells(bar: Bar) -> tuple[str, str, str, str]:
    sign = "≥" if bar.is_floor else "≤"
    met = "met" if bar.is_met else "**missed**"
    return bar.what, show(bar.figure), f"{sign} {show(bar.limit)}", met


def _parts(results: Sequence[PartResult], folder: str) -> Iterator[str]:
    for result in results:
        yield f"### {result.part}"
        yield ""
        for table in result.tables:
            yield from _table(table)
        for plot in result.plots:
            yield f"![{plot.title}]({folder}/{plot.name}.svg)"
            yield ""
        for note in result.notes:
            yield note
            yield ""
        yield _about(result)
        yield ""


def _table(table: Table) -> Iterator[str]:
    yield f"{table.title}:"
    yield ""
    yield from _markdown(table.columns, [[show(cell) for cell in row] for row in table.rows])


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _about(result: PartResult) -> str:
    about = result.about
    kind = "generated" if about["are_generated"] else "real"
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    return (
        f"Measured {about['finished_at']} on {about['cores']} cores ({about['machine']}), Python "
        f"{about['python']}, {packages}; {about['rounds']} rounds; {kind} symbol files."
    )
