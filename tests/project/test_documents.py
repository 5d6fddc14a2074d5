"""What the long-lived documents name is there, and is as they say."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from symbolon_server.cache.failures import FailureLifetimes
from symbolon_server.ingest.queueing import scripts
from symbolon_server.redis_servers import keys

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/api.md",
    "docs/client.md",
    "docs/command-line.md",
    "docs/decisions/README.md",
    "docs/first-stack.md",
    "docs/grpcurl.md",
    "docs/http.md",
    "docs/large-answers.md",
    "docs/operating.md",
    "docs/other-languages.md",
    "docs/promises.md",
    "docs/troubleshooting.md",
    "redis/README.md",
    "monitoring/README.md",
    "tests/data/sample/README.md",
    "tests/system/README.md",
)
SERVER = ROOT / "server/symbolon_server"
HOUSES = (ROOT, SERVER, ROOT / "client/symbolon")
"""What paths in the text are relative to."""

FIVE = 5
"""Places that the architecture leads to."""

MOST_WORDS = 2_500
"""Of the architecture: what it is about explains itself where it is."""

_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|conf|proto|toml|md|yaml))`")
_FLOOR = re.compile(r"^\| `([^|]+)` \| ([^|]*) \|", re.MULTILINE)
_THREAD = re.compile(r"(?:thread_name_prefix|\bname)=\"([a-z-]+)\"")


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def section(title: str) -> str:
    """The section of the architecture whose title begins so."""
    return read("ARCHITECTURE.md").partition(f"\n## {title}")[2].partition("\n## ")[0]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    links = [link for link in _LINK.findall(read(document)) if "://" not in link]
    folder = (ROOT / document).parent
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(document: str) -> None:
    paths = _PATH.findall(read(document))
    assert paths
    assert [path for path in paths if not any((house / path).exists() for house in HOUSES)] == []


def test_the_architecture_is_short() -> None:
    assert len(read("ARCHITECTURE.md").split()) <= MOST_WORDS


def test_a_newcomer_finds_the_five_places() -> None:
    rows = re.findall(r"\| `([\w/]+\.py)` \| `([\w.]+)` \|", section("Five places"))
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
