"""A profile as the Firefox Profiler reads it, with two samples of one stack without symbols."""

from collections.abc import Sequence
from typing import Any

_VERSION = 49
"""Of the format, which later versions of the profiler convert."""


def make_profile(libraries: Sequence[Sequence[str]], stack: Sequence[tuple[int, int]]) -> Any:
    """Return a profile; `stack` has a library's index and an offset for each frame, outermost
    first. Functions without symbols are called by their offsets.
    """
    count = len(stack)
    names = [*(name for name, _ in libraries), *(hex(offset) for _, offset in stack)]
    return {
        "meta": {
            "interval": 1,
            "startTime": 0,
            "processType": 0,
            "product": "orchard",
            "stackwalk": 1,
            "version": 24,
            "preprocessedProfileVersion": _VERSION,
            "symbolicated": False,
            "markerSchema": [],
            "categories": [{"name": "Other", "color": "grey", "subcategories": ["Other"]}],
        },
        "libs": [_describe_library(name, debug_id) for name, debug_id in libraries],
        "threads": [
            {
                "processType": "default",
                "processStartupTime": 0,
                "processShutdownTime": None,
                "registerTime": 0,
                "unregisterTime": None,
                "pausedRanges": [],
                "name": "orchard",
                "isMainThread": True,
                "pid": "1",
                "tid": 1,
                "samples": _table(
                    2, {"stack": count - 1, "weight": 1}, time=[0, 1], weightType="samples"
                ),
                "markers": _table(0, dict.fromkeys(_MARKER_COLUMNS)),
                "stackTable": _table(
                    count,
                    {"category": 0, "subcategory": 0},
                    prefix=[None, *range(count - 1)],
                    frame=[*range(count)],
                ),
                "frameTable": _table(
                    count,
                    dict.fromkeys(_FRAME_COLUMNS)
                    | {"inlineDepth": 0, "category": 0, "subcategory": 0, "innerWindowID": 0},
                    address=[offset for _, offset in stack],
                    func=[*range(count)],
                ),
                "funcTable": _table(
                    count,
                    {"isJS": False, "relevantForJS": False}
                    | dict.fromkeys(("fileName", "lineNumber", "columnNumber")),
                    name=[*range(len(libraries), len(names))],
                    resource=[library for library, _ in stack],
                ),
                "resourceTable": _table(
                    len(libraries),
                    {"host": None, "type": 1},
                    lib=[*range(len(libraries))],
                    name=[*range(len(libraries))],
                ),
                "nativeSymbols": _table(
                    0, dict.fromkeys(("address", "functionSize", "libIndex", "name"))
                ),
                "stringArray": names,
            }
        ],
    }


_MARKER_COLUMNS = "category", "data", "endTime", "name", "phase", "startTime"
_FRAME_COLUMNS = "nativeSymbol", "implementation", "line", "column", "optimizations"


def _describe_library(name: str, debug_id: str) -> dict[str, str | None]:
    path = f"/usr/bin/{name}"
    return {
        "name": name,
        "path": path,
        "debugName": name,
        "debugPath": path,
        "breakpadId": debug_id,
        "codeId": None,
        "arch": "x86_64",
    }


def _table(length: int, same: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a table of `length` rows; the columns in `same` have the same value in all of them."""
    columns = {name: [value] * length for name, value in same.items()}
    return {"length": length, **columns, **more}
