"""Native files to measure with: what is on any machine that runs the benchmarks."""

import importlib.util
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from symbolic.debuginfo import Archive

from tests.bench.plan import Plan

_SAMPLES = Path(__file__).parents[2] / "data" / "native"


def find_native_files(plan: Plan) -> list[Path]:
    """Return ELF files with debug information, the largest first.

    Large ones are the libraries of symbolic and, if it was built so, of this Python.
    """
    if plan.are_native_files_large:
        found = [path for path in _installed_libraries() if _has_debug_info(path)]
    else:
        found = [_SAMPLES / "mill-rust-v0"]
    return sorted(found, key=lambda path: path.stat().st_size, reverse=True)


def _installed_libraries() -> Iterator[Path]:
    spec = importlib.util.find_spec("symbolic")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from Path(folder).glob("*.so")
    folder, name = (sysconfig.get_config_var(what) for what in ("LIBDIR", "INSTSONAME"))
    if folder and name and (library := Path(folder, name)).exists():
        yield library


def _has_debug_info(path: Path) -> bool:
    return all("debug" in part.features for part in Archive.open(str(path)).iter_objects())
