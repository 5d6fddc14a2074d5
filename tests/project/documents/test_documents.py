"""What the long-lived documents name is there, and is as they say."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from symbolon_server.cache.failures import FailureLifetimes
from symbolon_server.ingest.queueing import scripts
from symbolon_server.redis_servers import keys
from symbolon_server.settings.table import rows
from symbolon_server.telemetry.metrics import all_metrics

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "monitoring/*.md", "redis/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
SERVER = ROOT / "server/symbolon_server"
HOUSES = (ROOT, SERVER, ROOT / "client/symbolon")
"""What paths in the text are relative to."""

FIVE = 5
"""Places that the architecture leads to."""

MOST_WORDS = 2_500
"""Of the architecture: what it is about explains itself where it is."""

OTHER_VARIABLES = {"SYMBOLON_COMPILED", "SYMBOLON_TOKEN"}
"""Of the program before it reads settings, and of the client."""

TEST_VARIABLES = {
    "BENCH_SYMBOLS",
    "BUILD_HELM",
    "COMPILERS",
    "CONFORMANCE",
    "DUMP_SYMS",
    "LIBFAKETIME",
    "STOCK_SYMBOLS",
    "SYMBOLICATOR",
}

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_VARIABLE = re.compile(r"\bSYMBOLON_[A-Z_]+[A-Z]\b")
_METRIC = re.compile(r"\bsymbolon_[a-z_]+(?:_total|_seconds|_bytes|_entries|_length)\b")
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|conf|proto|toml|md|yaml))`")
_FLOOR = re.compile(r"^\| `([^|]+)` \| ([^|]*) \|", re.MULTILINE)
_THREAD = re.compile(r"(?:thread_name_prefix|\bname)=\"([a-z-]+)\"")


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def section(title: str) -> str:
    """The section of the architecture whose title begins so."""
    return read("ARCHITECTURE.md").partition(f"\n## {title}")[2].partition("\n## ")[0]


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


def test_the_architecture_is_short() -> None:
    assert len(read("ARCHITECTURE.md").split()) <= MOST_WORDS


def test_a_newcomer_finds_the_five_places() -> None:
    rows = re.findall(r"\| `([\w/]+\.py)` \| `([\w.]+)` \|", section("Where to start reading"))
    assert len(rows) == FIVE
    assert [row for row in rows if row[1] not in names_in(SERVER / row[0])] == []


def names_in(file: Path) -> set[str]:
    """The functions and classes of a module, and the methods behind the names of their classes."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    named = [node for node in module.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    methods = (
        f"{node.name}.{inner.name}"
        for node in named
        for inner in node.body
        if isinstance(node, ast.ClassDef) and isinstance(inner, ast.FunctionDef)
    )
    return {node.name for node in named} | set(methods)


def test_the_architecture_lists_the_floors_in_their_order() -> None:
    listed = [floor for floor, _ in _FLOOR.findall(section("Floors"))]
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["id"] == "floors")
    assert [floor.replace("`, `", " | ").replace("/", "") for floor in listed] == layers


def test_the_rooms_of_each_floor_are_listed() -> None:
    for floors, contents in _FLOOR.findall(section("Floors")):
        folders = [SERVER / floor for floor in re.findall(r"(\w+)/", floors)]
        rooms = {file.parent.name for folder in folders for file in folder.glob("*/__init__.py")}
        assert set(re.findall(r"`(\w+)`", contents)) == rooms


def test_the_owners_of_shared_state_are_there() -> None:
    owners = set(re.findall(r"`([A-Z]\w+)`", section("Threads").partition("| shared state")[2]))
    assert owners
    assert owners - {name for file in SERVER.rglob("*.py") for name in names_in(file)} == set()


def test_every_kind_of_key_is_documented() -> None:
    ours = [text for name, text in vars(keys).items() if name.endswith("_PREFIX")]
    queue = [text for name, text in vars(scripts).items() if name.endswith(("_KEY", "JOB_PREFIX"))]
    queue += [scripts.WANT_PREFIX, scripts.ENDED_CHANNEL]
    documented = read("redis/README.md")
    assert [key for key in (*ours, *queue) if f"`{key}" not in documented] == []


def test_every_thread_of_a_server_is_documented() -> None:
    sources = (ROOT / "server").rglob("*.py")
    names = {name for file in sources for name in _THREAD.findall(file.read_text(encoding="utf-8"))}
    assert names
    table = section("Threads").partition("| shared state")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


def test_the_lifetimes_of_failures_are_those_of_the_code() -> None:
    table = section("Outcomes")
    lives = FailureLifetimes()
    unavailable = lives.unavailable
    for kind, lifetime in (
        ("missing", f"{lives.missing:g} s"),
        ("malformed", f"{lives.malformed:g} s"),
        (
            "unavailable",
            f"{unavailable.first_seconds:g} s, doubled up to {unavailable.longest_seconds:g} s",
        ),
    ):
        (row,) = re.findall(rf"^\| {kind} \|.*$", table, re.MULTILINE)
        assert lifetime in row
