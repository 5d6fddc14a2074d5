"""What the long-lived documents name is there, and is as they say."""

import re
import tomllib
from pathlib import Path

import pytest

from symbolon_server.cache import keys
from symbolon_server.cache.failures import FailureLifetimes
from symbolon_server.ingest import scripts
from symbolon_server.settings.knobs import rows
from symbolon_server.telemetry.metrics import all_metrics

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "monitoring/*.md", "redis/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
HOUSES = (ROOT, ROOT / "server/symbolon_server", ROOT / "client/symbolon")
"""What paths in the text are relative to."""

MOST_LINES = 15
"""Of one decision; more are a document of their own."""

OTHER_VARIABLES = {"SYMBOLON_TOKEN"}
"""Of the client."""

TEST_VARIABLES = {"BENCH_SYMBOLS", "CONFORMANCE", "LIBFAKETIME", "STOCK_SYMBOLS"}

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_VARIABLE = re.compile(r"\bSYMBOLON_[A-Z_]+[A-Z]\b")
_METRIC = re.compile(r"\bsymbolon_[a-z_]+(?:_total|_seconds|_bytes|_entries|_length)\b")
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|conf|proto|toml|md|yaml))`")
_TEST = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
_THREAD = re.compile(r"(?:thread_name_prefix|\bname)=\"([a-z-]+)\"")
_DECISION = re.compile(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(document: str) -> None:
    here = ROOT / document
    links = [link for link in _LINK.findall(_FENCED.sub("", read(document))) if ":" not in link[0]]
    targets = [(here.parent / path if path else here, anchor) for path, anchor in links]
    assert [target for target, _ in targets if not target.exists()] == []
    assert [
        (target, anchor) for target, anchor in targets if anchor and anchor not in anchors(target)
    ] == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = read("docs/README.md")
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in index] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_and_metric_that_is_named_is_there(document: str) -> None:
    settings = {row.variable for row in rows()} | OTHER_VARIABLES
    settings |= {f"SYMBOLON_{name}" for name in TEST_VARIABLES}
    known = {family.name for metric in all_metrics() for family in metric.describe()}
    text = read(document)
    assert set(_VARIABLE.findall(text)) - settings == set()
    assert {name.removesuffix("_total") for name in _METRIC.findall(text)} - known == set()


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(document: str) -> None:
    paths = _PATH.findall(read(document))
    assert paths
    assert [path for path in paths if not any((house / path).exists() for house in HOUSES)] == []


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", read("ARCHITECTURE.md")))
    files = (ROOT / "tests").rglob("test_*.py")
    written = {name for file in files for name in _TEST.findall(file.read_text(encoding="utf-8"))}
    assert named
    assert named - written == set()


def test_the_architecture_lists_the_floors_in_their_order() -> None:
    table = read("ARCHITECTURE.md").partition("## Floors")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([^|]+)` \|", table, re.MULTILINE)
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert [floor.replace("`, `", " | ").replace("/", "") for floor in listed] == layers


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "redis/README.md"])
def test_every_kind_of_key_is_documented(document: str) -> None:
    ours = [text for name, text in vars(keys).items() if name.endswith("_PREFIX")]
    queue = [text for name, text in vars(scripts).items() if name.endswith(("_KEY", "JOB_PREFIX"))]
    queue += [scripts.WANT_PREFIX, scripts.ENDED_CHANNEL]
    documented = read(document)
    assert [key for key in (*ours, *queue) if f"`{key}" not in documented] == []


def test_every_thread_of_a_server_is_documented() -> None:
    sources = (ROOT / "server").rglob("*.py")
    names = {name for file in sources for name in _THREAD.findall(file.read_text(encoding="utf-8"))}
    assert names
    table = read("ARCHITECTURE.md").partition("Threads of a serving process")[2]
    assert [name for name in names if f"`{name}`" not in table.partition("shared state")[0]] == []


def test_a_decision_that_was_superseded_names_one_that_is_there() -> None:
    text = " ".join(read("DECISIONS.md").split())
    named = re.findall(r'Superseded (?:in part )?by "([^"]+)"', text)
    assert len(named) == text.count("Superseded")
    assert [
        title for title in named if not re.search(rf"## [\d-]+ {re.escape(title)} ", text)
    ] == []


def test_the_lifetimes_of_failures_are_those_of_the_code() -> None:
    table = read("ARCHITECTURE.md").partition("## Outcomes")[2].partition("\n## ")[0]
    lives = FailureLifetimes()
    for kind, lifetime in (
        ("missing", f"{lives.missing:g} s"),
        ("malformed", f"{lives.malformed:g} s"),
        (
            "unavailable",
            f"{lives.unavailable_first:g} s, doubled up to {lives.unavailable_longest:g} s",
        ),
    ):
        (row,) = re.findall(rf"^\| {kind} \|.*$", table, re.MULTILINE)
        assert lifetime in row


@pytest.mark.parametrize(("title", "text"), _DECISION.findall(read("DECISIONS.md")))
def test_a_decision_has_a_date_and_says_what_followed_in_a_few_lines(title: str, text: str) -> None:
    assert re.match(r"\d{4}-\d\d-\d\d \S", title)
    prose = [line for line in text.strip().splitlines() if not line.startswith("|")]
    assert len(prose) <= MOST_LINES
    starts = ["Context: ", "Choice: ", "Consequence: "]
    places = ["\n".join(prose).find(start) for start in starts]
    assert -1 not in places
    assert places == sorted(places)
