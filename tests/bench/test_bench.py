"""Each part of the benchmarks runs, and says something; its figures mean nothing here."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.__main__ import PARTS
from tests.bench.plan import QUICK, Bench
from tests.bench.plots import draw
from tests.bench.report import BEGIN, END, write_report
from tests.bench.results import Bar, PartResult, Plot, Table, median_ratio, show
from tests.bench.world.caller import Caller
from tests.bench.world.echo_server import SERVICE
from tests.bench.world.programs import EchoServer
from tests.bench.world.symbol_files import generate_symbol_file
from tests.bench.world.symbolic_peer import has_symbolic

NEED_SYMBOLIC = {"lookup"}
SHORT = {"cold", "hot", "lookup", "memory", "native", "put"}
"""Parts that each run of the tests tries; `make soak` tries the others."""


def parse_svg(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own drawing


def run_quickly(part: str) -> PartResult:
    run: Callable[[Bench], PartResult] = import_module(f"tests.bench.parts.{part}").run
    files = [generate_symbol_file(f"libquick{size}.so", size, 1) for size in (400_000, 150_000)]
    return run(Bench(files, QUICK))


@pytest.mark.parametrize(
    "part",
    [pytest.param(part, marks=[] if part in SHORT else pytest.mark.soak) for part in PARTS],
)
def test_each_part_measures_something(part: str, tmp_path: Path) -> None:
    if part in NEED_SYMBOLIC and not has_symbolic():
        pytest.skip("without the extra `native` there is nothing to compare with")
    result = run_quickly(part)
    assert result.part == part
    assert result.tables
    for table in result.tables:
        assert table.rows, table.title
        assert {len(row) for row in table.rows} == {len(table.columns)}
        numbers = [cell for row in table.rows for cell in row if not isinstance(cell, str)]
        assert numbers
        assert all(math.isfinite(number) for number in numbers), table
    result.write(tmp_path / "result.json")
    again = PartResult.read(tmp_path / "result.json")
    assert [table.title for table in again.tables] == [table.title for table in result.tables]
    assert list(again.bars) == list(result.bars)


def test_a_load_that_is_over_before_it_begins_makes_a_call_for_each_caller(tmp_path: Path) -> None:
    (tmp_path / "answer").write_bytes(b"echo")
    with EchoServer(tmp_path) as echo, Caller() as caller:
        request = caller.write_request("nothing", b"")
        load = caller.load(echo.target, f"/{SERVICE}/answer", request, seconds=0.0, callers=3)
    assert load.calls_per_second > 0


@pytest.mark.parametrize(
    ("figure", "is_floor", "is_met"),
    [(0.9, True, True), (0.7, True, False), (0.7, False, True), (0.9, False, False)],
)
def test_a_bar_is_met_on_its_own_side(figure: float, is_floor: bool, is_met: bool) -> None:
    assert Bar("calls", figure, 0.8, is_floor).is_met is is_met


def test_a_ratio_divides_within_each_round() -> None:
    assert median_ratio([1.0, 20.0, 3.0], [2.0, 40.0, 3.0]) == 0.5


@pytest.mark.parametrize(
    ("cell", "text"),
    [("libc", "libc"), (1_000, "1,000"), (1234.5, "1,234"), (12.34, "12.3"), (0.5, "0.500")],
)
def test_numbers_are_shown_with_three_digits(cell: str | float, text: str) -> None:
    assert show(cell) == text


def test_a_report_holds_bars_tables_and_plots(tmp_path: Path) -> None:
    curves = {"ours": [(1.0, 10.0), (100.0, 2_000.0)], "theirs": [(1.0, 20.0), (100.0, 900.0)]}
    result = PartResult(
        part="hot",
        tables=[Table("Calls", ("frames", "calls/s"), [(1, 2_345.6)])],
        bars=[Bar("calls ÷ echo", 0.9, 0.85, is_floor=True)],
        plots=[Plot("hot", "Calls & answers", "frames", "calls/s", curves, is_log=True)],
        about={
            "are_generated": True,
            "packages": {"numpy": "2"},
            "finished_at": "now",
            "cores": 2,
            "machine": "Linux",
            "python": "3.11",
            "rounds": 5,
        },
    )
    result.write(tmp_path / "results" / "hot.json")
    document = tmp_path / "README.md"
    document.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", encoding="utf-8")
    for _ in range(2):  # what was written is found again
        write_report(tmp_path / "results", document, ["hot", "cold"])
    text = document.read_text(encoding="utf-8")
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert "old" not in text
    assert "| hot | calls ÷ echo | 0.900 | ≥ 0.850 | met |" in text
    assert "| 1 | 2,346 |" in text
    drawn = parse_svg((tmp_path / "results" / "hot.svg").read_text(encoding="utf-8"))
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == 2


@pytest.mark.parametrize("is_log", [False, True])
def test_curves_stay_within_the_drawing(is_log: bool) -> None:
    curve = [(1.0, 3.0), (7.0, 0.02), (1_234.0, 99_999.0)]
    drawn = parse_svg(draw(Plot("p", "t", "x", "y", {"c": curve}, is_log)))
    for circle in drawn.findall("{http://www.w3.org/2000/svg}circle")[:3]:
        assert 76 <= float(circle.attrib["cx"]) <= 620
        assert 44 <= float(circle.attrib["cy"]) <= 276
