"""Trees of other versions of this software, to be run beside this one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.app.conftest import ROOT
from tests.others.installed import found, installed, run

EARLIER = "0dd2ce5"
"""The last commit whose queue was RQ's, in keys that named no version; page format 6."""

_ITS_OWN_PACKAGES = ("croniter==7.0.0", "rq==3.0.0")
"""What the earlier version needs beside what the tests have anyway."""

_FORMAT_LINE = re.compile(r"^FORMAT_VERSION: Final = (\d+)$", re.MULTILINE)


def next_tree(folder: Path) -> list[Path]:
    """Return the folders for PYTHONPATH of this software with the next version of the format."""
    for part in ("client", "server"):
        shutil.copytree(ROOT / part, folder / part)
    envelope = folder / "server/symbolon_server/symbols/paging/envelope.py"
    text, changes = _FORMAT_LINE.subn(
        lambda line: f"FORMAT_VERSION: Final = {int(line[1]) + 1}",
        envelope.read_text(encoding="utf-8"),
    )
    assert changes == 1
    envelope.write_text(text, encoding="utf-8")
    return [folder / "client", folder / "server"]


def earlier_tree() -> list[Path]:
    """Return the folders for PYTHONPATH of the earlier version, or skip the test."""
    git = [found("git"), "-C", str(ROOT)]
    known = subprocess.run(
        [*git, "cat-file", "-e", f"{EARLIER}^{{commit}}"], capture_output=True, check=False
    )
    if known.returncode:
        pytest.skip(f"the commit {EARLIER} is not in this copy's history, if it has one")

    def install(folder: Path) -> None:
        archive = subprocess.run(
            [*git, "archive", EARLIER, "client", "server"], capture_output=True, check=True
        )
        subprocess.run(["tar", "x"], cwd=folder, input=archive.stdout, check=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        run([*pip, "--target", str(folder / "packages"), *_ITS_OWN_PACKAGES], folder)

    wanted = "\n".join([EARLIER, *_ITS_OWN_PACKAGES, sys.version])
    folder = installed("earlier-version", wanted, install)
    return [folder / "client", folder / "server", folder / "packages"]


def environment_of(tree: list[Path], environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which programs are those of a tree."""
    return {**environment, "PYTHONPATH": os.pathsep.join(map(str, tree))}
