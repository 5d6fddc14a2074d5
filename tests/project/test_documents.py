"""What the long-lived documents name is there, and is as they say."""

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
    "docs/troubleshooting.md",
    "redis/README.md",
    "monitoring/README.md",
    "tests/data/sample/README.md",
)
HOUSES = (ROOT, ROOT / "server/symbolon_server", ROOT / "client/symbolon")
"""What paths in the text are relative to."""

_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|conf|proto|toml|md|yaml))`")
_TEST = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
_THREAD = re.compile(r"(?:thread_name_prefix|\bname)=\"([a-z-]+)\"")


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


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


def test_the_lifetimes_of_failures_are_those_of_the_code() -> None:
    table = read("ARCHITECTURE.md").partition("## Outcomes")[2].partition("\n## ")[0]
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
