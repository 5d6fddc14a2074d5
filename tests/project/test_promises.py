"""`docs/promises.md` is made from the markers of the tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path("scripts/promises.py")

KEPT = """
@pytest.mark.promise("Lost pages come back", group="pages")
def test_one(): ...

class TestMore:
    @pytest.mark.parametrize("page", [1])
    @pytest.mark.promise("Lost pages come back")
    @pytest.mark.promise("No call fails")
    def test_two(self, page): ...
"""

WRITTEN = """\
## Faults and outages

| promise | tests |
|---|---|
| No call fails | [tests/test_it.py::TestMore::test_two](../tests/test_it.py) |

## Lost and damaged pages

| promise | tests |
|---|---|
| Lost pages come back | [tests/test_it.py::test_one](../tests/test_it.py)<br>\
[tests/test_it.py::TestMore::test_two](../tests/test_it.py) |
"""


def run(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script that is in `root`, which parses the tests beside it."""
    command = [sys.executable, str(root / SCRIPT), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the script, one file of tests to be written, and no document."""
    for folder in ("docs", "scripts", "tests"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / SCRIPT, tmp_path / SCRIPT)
    return tmp_path


def test_the_document_is_what_the_tests_say() -> None:
    checked = run(ROOT, "--check")
    assert checked.returncode == 0, checked.stderr


def test_promises_are_listed_by_group_with_all_tests_that_keep_them(root: Path) -> None:
    (root / "tests/test_it.py").write_text(KEPT)
    assert run(root).returncode == 0
    assert (root / "docs/promises.md").read_text().partition("\n\n")[2].endswith(WRITTEN)


def test_a_marker_that_is_not_in_the_document_fails_the_check(root: Path) -> None:
    (root / "tests/test_it.py").write_text(KEPT)
    assert run(root, "--check").returncode == 1
    run(root)
    assert run(root, "--check").returncode == 0
    (root / "tests/test_it.py").write_text(KEPT.replace("No call fails", "No call waits"))
    stale = run(root, "--check")
    assert (stale.returncode, "make protos" in stale.stderr) == (1, True)


@pytest.mark.parametrize(
    "marker",
    [
        "@pytest.mark.promise",
        "@pytest.mark.promise()",
        "@pytest.mark.promise(SENTENCE)",
        '@pytest.mark.promise("No call fails", "faults")',
        '@pytest.mark.promise("No call fails", group="errors")',
    ],
)
def test_a_marker_that_says_no_promise_is_named(root: Path, marker: str) -> None:
    (root / "tests/test_it.py").write_text(f"\n{marker}\ndef test_one(): ...\n")
    refused = run(root)
    assert refused.returncode == 1
    assert "tests/test_it.py:2: write @pytest.mark.promise(" in refused.stderr


def test_a_promise_of_two_groups_is_refused(root: Path) -> None:
    other = '@pytest.mark.promise("Lost pages come back", group="limits")\ndef test_three(): ...\n'
    (root / "tests/test_it.py").write_text(KEPT + other)
    refused = run(root)
    assert refused.returncode == 1
    assert "tests/test_it.py::test_one, tests/test_it.py::test_three" in refused.stderr
