"""Nothing depends on the time of day but what is shown, because it may be set at any moment."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WALL_CLOCKS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "ctime"),
    ("time", "gmtime"),
    ("time", "localtime"),
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
}
"""What reads the time of day; `time.monotonic` and `time.perf_counter` do not."""

SHOWN = {
    "server/symbolon_server/cache/missing_modules.py": "first and last seen",
    "server/symbolon_server/ingest/working/ingest.py": "when a module was ingested",
    "server/symbolon_server/ingest/working/job_runner.py": "when suppliers were asked",
    "server/symbolon_server/suppliers/layouts/listings.py": "whether a folder changed just now: "
    "the times of files are times of day; a wrong one costs another listing, or ten seconds",
    "server/symbolon_server/telemetry/tracing/spans.py": "when a span began",
    "server/symbolon_server/store/spool.py": "order of use: the times of files are times of day; "
    "what lies in the future is noted as used now",
}
"""The files that read it, and for what."""


def reads_wall_clock(text: str) -> bool:
    """Tell whether a module reads the time of day, called or passed on."""
    nodes = list(ast.walk(ast.parse(text)))
    found = {
        (node.value.id, node.attr)
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found |= {(node.module or "", name.name) for name in node.names}
    return bool(found & WALL_CLOCKS)


@pytest.mark.promise("Nothing depends on the time of day, apart from times shown to people")
def test_only_what_is_shown_reads_the_time_of_day() -> None:
    files = [path for folder in ("server", "client") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in files if reads_wall_clock(path.read_text())}
    assert found == set(SHOWN)


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.time()",
        "x = datetime.now(UTC)",
        "clock = time.time",
        "from time import time",
    ],
)
def test_a_read_of_the_time_of_day_is_recognised(text: str) -> None:
    assert reads_wall_clock(text)


@pytest.mark.parametrize("text", ["time.monotonic()", "from time import perf_counter"])
def test_a_monotonic_clock_is_not_a_wall_clock(text: str) -> None:
    assert not reads_wall_clock(text)
