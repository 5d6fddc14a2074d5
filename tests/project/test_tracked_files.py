"""What is committed means the same on every machine, and is laid out for readers."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Folders of people and of build machines; "user" and "me", in an example, are nobody.
MACHINE_PATH = re.compile(
    rb"(?<![\w.~])/(?:home|Users|work|workspace|root)/(?!(?:user|me)\b)[\w.-]+"
)

MOST_FILES = 18
"""In a folder, so that its order is seen at a glance."""

LARGE_FOLDERS = {"client/symbolon/v1", "docs", "docs/decisions", "tests/bench/results"}
"""Folders with more files: two are generated, documents have a README that leads to each."""


def tracked_files() -> list[Path]:
    """Every file of the checkout that git tracks."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    names = listing.stdout.decode().split("\0")
    return [path for path in (ROOT / name for name in names if name) if path.is_file()]


in_a_checkout = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None,
    reason="not a checkout, or no git to ask what is tracked",
)


@in_a_checkout
def test_no_folder_has_more_files_than_a_reader_can_oversee() -> None:
    folders = Counter(str(path.parent.relative_to(ROOT)) for path in tracked_files())
    found = {folder: count for folder, count in folders.items() if count > MOST_FILES}
    assert found.keys() == LARGE_FOLDERS


@in_a_checkout
def test_no_tracked_file_names_a_path_of_a_development_machine() -> None:
    found = {
        str(path.relative_to(ROOT)): [match.decode() for match in matches]
        for path in tracked_files()
        if (matches := MACHINE_PATH.findall(path.read_bytes()))
    }
    assert found == {}


@pytest.mark.parametrize("folder", ["home", "Users", "work", "root"])
def test_a_path_of_a_development_machine_is_recognised(folder: str) -> None:
    assert MACHINE_PATH.search(f"see /{folder}/anna/symbolon".encode())


@pytest.mark.parametrize("text", [b"https://host/work/x", b"src/work/x", b"/homework/x"])
def test_other_paths_are_not_taken_for_one(text: bytes) -> None:
    assert not MACHINE_PATH.search(text)
