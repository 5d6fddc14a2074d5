"""Answers of version 5 as Eliot makes them of symbol files: by symbolic, with its fields."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.app.conftest import SAMPLE
from tests.symbols.native.symbolic_caches import open_cache, package


def answer_as_eliot(job: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the stacks of a job; a module without a symbol file in the sample is not found."""
    caches = [_open(SAMPLE / "symbols", *module) for module in job["memoryMap"]]
    return [
        [
            _answer_frame(number, job["memoryMap"][index][0], offset, caches[index])
            for number, (index, offset) in enumerate(stack)
        ]
        for stack in job["stacks"]
    ]


def _open(folder: Path, debug_file: str, debug_id: str) -> Any:
    """Return a SymCache; `None` without a symbol file."""
    file = folder / debug_file / debug_id / f"{debug_file}.sym"
    if not file.exists():
        return None
    data = file.read_bytes()
    archive = package().Archive.from_bytes(data)  # what it reads must live as long as its objects
    found = archive.get_object(debug_id=package().normalize_debug_id(debug_id))
    return open_cache(found.make_symcache().open_stream().read())


def _answer_frame(number: int, module: str, offset: int, cache: Any) -> dict[str, Any]:
    frame: dict[str, Any] = {"frame": number, "module": module, "module_offset": hex(offset)}
    *inlines, outermost = (cache.lookup(offset) if cache is not None else None) or [None]
    if outermost is None:
        return frame
    frame["function"] = outermost.symbol
    frame["function_offset"] = hex(offset - outermost.sym_addr)
    frame |= _place(outermost)
    if inlines:
        frame["inlines"] = [{"function": one.symbol, **_place(one)} for one in inlines]
    return frame


def _place(location: Any) -> dict[str, Any]:
    """Return the file, and the line unless that is 0."""
    if not location.full_path:
        return {}
    return {"file": location.full_path} | ({"line": location.line} if location.line else {})
