"""Conversions of a native file, each in a process of its own that tells what it took."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import process_time
from typing import Any

from symbolon_server.debug_files.conversion import convert
from symbolon_server.suppliers.contents.limits import GIB
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId, normalise_debug_id
from symbolon_server.symbols.ground.pages import IngestFacts
from symbolon_server.symbols.paging.writer import write_pages

_UNITS = 1 if sys.platform == "darwin" else 1024
_FACTS = IngestFacts(supplier="", finished_at=0.0, seconds=0.0, fetched_bytes=0)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What one conversion took."""

    cpu_seconds: float
    peak_bytes: int
    """Resident, with the library and the mapped file."""

    symcache_bytes: int = 0
    page_bytes: int = 0


def convert_alone(path: Path) -> Conversion:
    """Convert a file by symbolic into a SymCache."""
    return _run("symbolic", path)


def write_pages_of(path: Path) -> Conversion:
    """Convert a file into pages, as an ingest does."""
    return _run("pages", path)


def _run(way: str, path: Path) -> Conversion:
    command = [sys.executable, "-m", __spec__.name, way, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return Conversion(**json.loads(done.stdout))


def _object_of(path: Path) -> Any:
    from symbolic.debuginfo import Archive  # noqa: PLC0415 - the benchmark's peer

    return next(Archive.open(str(path)).iter_objects())


def _convert_alone(path: Path) -> dict[str, int]:
    with _object_of(path).make_symcache().open_stream() as stream:
        return {"symcache_bytes": len(stream.read())}


def _write_pages(path: Path, asked: AskedModule) -> dict[str, int]:
    table = convert(path, asked, max_unpacked_bytes=8 * GIB)
    return {"page_bytes": write_pages(table, "1-0", _FACTS).directory.stored_bytes}


def _main(way: str, path: Path) -> None:
    found = _object_of(path)
    debug_id = normalise_debug_id(found.debug_id)
    asked = AskedModule(ModuleId.parse(path.name, debug_id or ""), path.name, found.code_id or "")
    del found
    start = process_time()
    sizes = _convert_alone(path) if way == "symbolic" else _write_pages(path, asked)
    seconds = process_time() - start
    peak = getrusage(RUSAGE_SELF).ru_maxrss * _UNITS
    sys.stdout.write(json.dumps({"cpu_seconds": seconds, "peak_bytes": peak, **sizes}))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
