"""Nobody is told to install a package that somebody else publishes under our name."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from symbolon_server.telemetry.software import software_version
from tests.project.test_tracked_files import tracked_files

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAMES = ("symbolon", "symbolon-grpc")
"""The import name and the distribution; an index may have, for either, what others wrote."""

_INSTALLS = re.compile(
    r"\b(?:pip[3x]?|uvx?|poetry|pdm|conda)\b.*"
    r"|(?<!helm upgrade --)\b[Ii]nstall\b(?! -d).*"
)
"""From an installer's name to the end of its line; `install -d` makes folders, and what Helm
installs has a name for itself and comes from a folder."""

_NAME = re.compile(r"(?<![\w./-])symbolon(?:[-_.]grpc)?(?![\w/-]|\.\w)")
_WHERE_FROM = re.compile(r"(?:\[[\w,-]+\])? @ ")
_LOOKUP = re.compile(r"""(?<![\w.])(?:metadata\.)?version\(\s*["']([\w.-]+)["']""")


def names_for_an_installer(text: str) -> list[str]:
    """The lines that give an installer one of our names, and not where to find it."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [
        found[0]
        for found in _INSTALLS.finditer(joined)
        if any(not _WHERE_FROM.match(found[0], name.end()) for name in _NAME.finditer(found[0]))
    ]


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and text of every tracked file but this one and test data."""
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("tests/data/") and path != Path(__file__).resolve():
            yield name, path.read_text(encoding="utf-8", errors="replace")


def test_no_file_hands_a_name_of_ours_to_an_installer() -> None:
    found = {name: names_for_an_installer(text) for name, text in tracked_texts()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_list_of_requirements_has_a_name_of_ours() -> None:
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    lists += [
        text.splitlines() for name, text in tracked_texts() if name.endswith((".txt", ".lock"))
    ]
    entries = [entry for one in lists for entry in one]
    assert len(entries) > len(PROJECT["optional-dependencies"])
    assert [entry for entry in entries if _NAME.match(entry)] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "words",
    [
        "pip install {}",
        "Install {}[cli] for tables.",
        "for tables, install {}.",
        "pip install --upgrade '{}[cli,server]'",
        "python -m pip install --quiet \\\n    {}",
        "`pipx install {}` brings the command line",
        "uv add {}==0.1.0",
        "uvx {} --help",
    ],
)
def test_a_name_that_is_handed_to_an_installer_is_found(words: str, name: str) -> None:
    assert names_for_an_installer(words.format(name))


@pytest.mark.parametrize(
    "words",
    [
        "pip install '.[cli]'",
        "pip install 'path/to/symbolon[cli]'",
        "pip install 'symbolon_grpc-0.1.0-py3-none-any.whl[server]'",
        "pip install 'symbolon-grpc[server] @ git+ssh://git.example.org/symbolon'",
        "helm upgrade --install symbolon deploy/helm/symbolon",
        "import symbolon",
        "symbolon on the index is not this program",
    ],
)
def test_a_path_or_a_url_is_not_taken_for_a_name(words: str) -> None:
    assert not names_for_an_installer(words)


def test_versions_are_looked_up_by_the_name_of_the_distribution() -> None:
    asked = {name for _, text in tracked_texts() for name in _LOOKUP.findall(text)}
    assert asked & set(NAMES) == {PROJECT["name"]}


def test_the_software_says_the_version_of_the_distribution() -> None:
    assert PROJECT["name"] == "symbolon-grpc"
    assert software_version() == version("symbolon-grpc") == PROJECT["version"]
