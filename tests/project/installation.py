"""Installs the wheel into environments of its own, from packages that were downloaded once."""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from tests.others.installed import installed, run

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-dev.lock"
EXTRAS = ("buckets", "cli", "native", "server", "tracing")
"""Those for users."""

_PIP = (sys.executable, "-m", "pip")
_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")


def package_folder() -> Path:
    """Return a folder with the packages that the wheel needs, with all extras for users."""
    wanted = _requirements()

    def download(folder: Path) -> None:
        options = ("--only-binary=:all:", "--constraint", str(LOCK), "--dest", str(folder))
        run([*_PIP, "download", *_QUIET, *options, *wanted], folder)

    state = "\n".join([*wanted, LOCK.read_text(encoding="utf-8"), sys.version])
    return installed("packages", state, download)


def _requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][extra] for extra in EXTRAS]
    return [one for all_ in (project["dependencies"], *extras) for one in all_]


def install_wheel(wheel: Path, extras: str, target: Path) -> Path:
    """Make an environment with the wheel and what it names; return the folder of its programs."""
    venv.create(target)
    # Compiling all modules takes longer than all else, and few are used.
    command = [*_PIP, "--python", str(target / "bin/python"), "install", "--no-compile", *_QUIET]
    sources = ["--no-index", "--find-links", str(package_folder())]
    subprocess.run([*command, *sources, f"{wheel}{extras}"], check=True)
    return target / "bin"
