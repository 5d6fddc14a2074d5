"""The JSON of rust-minidump's `minidump-stackwalk --json`.

    {"crash_info": {"crashing_thread": 0},
     "modules": [{"base_addr": "0x…", "end_addr": "0x…", "filename": "xul.dll", "code_id": "…",
                  "debug_file": "xul.pdb", "debug_id": "44E4…C2"}],
     "threads": [{"thread_name": "Main", "frames": [{"module": "xul.dll", "offset": "0x…",
                  "module_offset": "0x…"}]}]}

Any field may be null. `offset` is an address, that of a caller already within its call instruction:
the return address less 1 on x86, less 4 on ARM64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from symbolon._forms.crash import Crash, make_walked_module, read_address
from symbolon._forms.loaded_modules import LoadedModule, LoadedModules
from symbolon.errors import InvalidReportError
from symbolon.reports import Module

LACKS_ID = "neither debug id nor code id is in the minidump, so it cannot be looked up"


def is_minidump_stackwalk(payload: object) -> bool:
    """Return whether a document has this form."""
    if not isinstance(payload, dict) or not {"threads", "modules"} <= payload.keys():
        return False
    return {"jobs", "stacks", "memoryMap"}.isdisjoint(payload)


def read_minidump_stackwalk(payload: Any) -> Crash:
    """Return the threads; raise `InvalidReportError`."""
    modules = _Modules(payload)
    crashing = _dict_in(payload, "crash_info").get("crashing_thread")
    crash = Crash()
    for number, thread in enumerate(_list_in(payload, "threads")):
        crash.add_thread(_write_title(number, thread, is_crashing=number == crashing))
        for frame in _list_in(thread, "frames"):
            crash.add_frame(*modules.find(frame))
    return crash


class _Modules:
    """The modules of the process, found by address, or else by name."""

    def __init__(self, payload: Any) -> None:
        entries = [entry for entry in _list_in(payload, "modules") if isinstance(entry, dict)]
        self._loaded = LoadedModules(_read_ranges(entries))
        self._named = {_text(entry, "filename"): _make_module(entry) for entry in entries}

    def find(self, frame: Any) -> tuple[Module | None, int]:
        """Return module and offset of a frame, or `None` and its address."""
        if not isinstance(frame, dict):
            raise InvalidReportError("has a frame that is not an object")
        address = read_address(frame.get("offset"))
        if address is not None:
            module, offset_in_it = self._loaded.find(address)
            if module is not None:
                return module, offset_in_it
        offset = read_address(frame.get("module_offset"))
        name = _text(frame, "module")
        if name and offset is not None:
            return self._named.get(name) or make_walked_module(name), offset
        return None, address or 0


def _read_ranges(entries: list[dict[str, Any]]) -> Iterator[LoadedModule]:
    for entry in entries:
        start, end = read_address(entry.get("base_addr")), read_address(entry.get("end_addr"))
        if start is not None and end is not None:
            yield LoadedModule(start, end - 1, _make_module(entry))


def _make_module(entry: dict[str, Any]) -> Module:
    keys = ("filename", "debug_file", "debug_id", "code_id")
    return make_walked_module(*(_text(entry, key) for key in keys))


def _write_title(number: int, thread: Any, *, is_crashing: bool) -> str:
    name = _text(thread, "thread_name")
    return f"Thread {number}{name and f' {name}'}{' (crashed)' if is_crashing else ''}"


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""


def _list_in(entry: Any, key: str) -> list[Any]:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, list) else []


def _dict_in(entry: Any, key: str) -> dict[str, Any]:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}
