"""`make help` is where people look first."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

DESIGNED = {
    *("help", "run", "test", "check", "bench", "fuzz", "protos", "image", "wheel"),
    *("redis-store-cli", "redis-cache-cli"),
}


def targets_in_makefile() -> set[str]:
    """Every target that a person can ask for."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))


def targets_in_help() -> set[str]:
    """Every target that has a line, with a text, in what `make help` prints."""
    done = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", "help"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(re.findall(r"^  (\S+) +\S", done.stdout, re.MULTILINE))


def test_help_lists_every_target() -> None:
    assert targets_in_help() == targets_in_makefile()


def test_the_targets_that_people_rely_on_are_there() -> None:
    assert targets_in_makefile() >= DESIGNED
