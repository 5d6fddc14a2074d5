"""Finds the configuration files of the two Redis servers."""

from pathlib import Path

STORE_CONFIGURATION = "store.conf"
CACHE_CONFIGURATION = "cache.conf"

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (
    _PACKAGE / "redis_conf",
    _PACKAGE.parent.parent / "redis",
)
"""In an installed wheel, and in a checkout."""


def find_configuration(name: str) -> Path:
    """Return the path of `store.conf` or `cache.conf`; raise FileNotFoundError."""
    for folder in _FOLDERS:
        if (path := folder / name).is_file():
            return path
    places = " or ".join(str(folder) for folder in _FOLDERS)
    raise FileNotFoundError(f"{name} is neither in {places}: the installation is incomplete")
