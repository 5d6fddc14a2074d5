"""What we are compared with: `symbolic`, written in Rust, as Python programs use it."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import requests

from tests.bench.world.symbol_files import SymbolFile

SYMCACHE_UNKNOWN = "without the package symbolic there is nothing to compare with"


def has_symbolic() -> bool:
    """Return whether the package is there: the extra `native` brings it."""
    return importlib.util.find_spec("symbolic") is not None


def convert(symbol_file: bytes) -> Any:
    """Return the `SymCache` of a symbol file."""
    archive = importlib.import_module("symbolic.debuginfo").Archive.from_bytes(symbol_file)
    return next(archive.iter_objects()).make_symcache()


def fetch_and_convert(url: str) -> Any:
    """Return the `SymCache` of the symbol file at `url`, downloaded into memory."""
    response = requests.get(url, timeout=60)
    response.raise_for_status()
    return convert(response.content)


def convert_files(files: Sequence[SymbolFile]) -> dict[str, Any]:
    """Return the `SymCache` of each file, by its name."""
    return {file.name: convert(file.path.read_bytes()) for file in files}


def look_up(frames: Sequence[tuple[Any, int]]) -> None:
    """Look up each of `frames`, which are `SymCache`s with an offset."""
    for cache, offset in frames:
        cache.lookup(offset)
