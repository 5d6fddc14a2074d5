"""The oldest and the newest packages that the client supports, in folders of their own."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.fixtures.installing import CACHE, only_one

FLOOR: Final = ("grpcio==1.76.0", "protobuf==6.31.1")
NEWEST: Final = ("grpcio", "protobuf")

_DAY_SECONDS: Final = 86_400.0


def install(packages: Sequence[str]) -> Path:
    """Return a folder with the packages, reinstalled if it is older than a day."""
    tag = f"{sys.implementation.cache_tag}-{'-'.join(packages).replace('=', '')}"
    folder = CACHE / "client-ends" / tag
    stamp = folder / "installed.txt"
    with only_one(folder):
        if not stamp.exists() or time.time() - stamp.stat().st_mtime >= _DAY_SECONDS:
            _install(packages, folder, stamp)
    return folder


def _install(packages: Sequence[str], folder: Path, stamp: Path) -> None:
    """Run pip; if it fails use what is installed already, or skip the test with its message."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target"]
    flags = ["--disable-pip-version-check", "--no-input", "--retries=1", "--timeout=5"]
    done = subprocess.run(
        [*command, str(folder), *flags, *packages], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        stamp.touch()
    elif not stamp.exists():
        pytest.skip(f"pip cannot install {' '.join(packages)}: {done.stderr.strip()[-200:]}")


INSTALLERS: Final[Sequence[Callable[[], Path]]] = [
    partial(install, packages) for packages in (FLOOR, NEWEST)
]
