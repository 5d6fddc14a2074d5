"""What is committed means the same on every machine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Folders of people and of build machines; "user" and "me", in an example, are nobody.
MACHINE_PATH = re.compile(
    rb"(?<![\w.~])/(?:home|Users|work|workspace|root)/(?!(?:user|me)\b)[\w.-]+"
)


def tracked_files() -> list[Path]:
    """Every file of the checkout that git tracks."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    names = listing.stdout.decode().split("\0")
    return [path for path in (ROOT / name for name in names if name) if path.is_file()]


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None,
    reason="not a checkout, or no git to ask what is tracked",
)
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
