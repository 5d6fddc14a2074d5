"""Explains the answer for one frame: why it has the function that it has, or none.

    {"module": ["orchard", "C3D8E3C7B6594DF1DFCA907993B477250"], "module_offset": "0x10b0"}

The answer has the fields of `symbolon.Explanation`, but module offsets and sizes of functions are
in hex, as in version 5: numbers of 64 bits do not survive JavaScript.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from symbolon import Explanation, InvalidReportError, Module
from symbolon._plain_values import make_plain
from symbolon._tecken.requests import MAX_OFFSET, parse_jobs
from symbolon_server.gateway.reading import BodyLimits, Deadline, load_json, refuse_many_parts

MOST_RANGES_AROUND = 100
"""As the API has it: what is more is refused before the call."""

_OFFSET = re.compile(r"0[xX][0-9A-Fa-f]{1,16}")

_IN_HEX = frozenset(
    {
        "module_offset",
        "function_offset",
        "function_size",
        "looked_up_offset",
        "first_offset",
        "end_offset",
        "function_start",
        "start",
        "end",
    }
)


@dataclass(frozen=True, slots=True)
class FrameToExplain:
    """One frame, and how many ranges around it to show."""

    module: Module
    module_offset: int
    is_return_address: bool
    ranges_around: int
    """0: the server's default."""


def read_frame(body: bytes, limits: BodyLimits, deadline: Deadline) -> FrameToExplain:
    """Return the frame in a body; raise `InvalidReportError` or `DeadlineError`."""
    deadline.left()
    refuse_many_parts(body, limits)
    given = load_json(body)
    if not isinstance(given, dict):
        raise InvalidReportError("payload is not a JSON object")
    return FrameToExplain(
        _read_module(given.get("module")),
        _read_offset(given.get("module_offset")),
        _read_flag(given.get("is_return_address", False)),
        _read_count(given.get("ranges_around", 0)),
    )


def _read_module(given: object) -> Module:
    """Return a module, written as in the memory map of a report."""
    if not isinstance(given, list):
        raise InvalidReportError(
            "module must be a list as in a memoryMap: debug file, debug id, code file, code id"
        )
    (job,) = parse_jobs({"memoryMap": [given], "stacks": [[]]})
    (entry,) = job.modules
    if entry.problem:
        raise InvalidReportError(f"module: {entry.problem}")
    if not entry.is_named:
        raise InvalidReportError("module: it has no file or no id")
    return entry.sent


def _read_offset(given: object) -> int:
    if isinstance(given, str) and _OFFSET.fullmatch(given):
        return int(given, 16)
    if type(given) is int and 0 <= given <= MAX_OFFSET:
        return given
    raise InvalidReportError("module_offset must be an integer from 0 to 2^64 - 1, or hex with 0x")


def _read_flag(given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidReportError("is_return_address must be true or false")
    return given


def _read_count(given: object) -> int:
    if type(given) is not int or not 0 <= given <= MOST_RANGES_AROUND:
        raise InvalidReportError(f"ranges_around must be an integer from 0 to {MOST_RANGES_AROUND}")
    return given


def write_explanation(found: Explanation) -> bytes:
    """Return an explanation as a line of JSON."""
    return json.dumps(_write_offsets(make_plain(found))).encode("ascii")


def _write_offsets(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _write_offsets(content, key) for key, content in value.items()}
    if isinstance(value, list):
        return [_write_offsets(content) for content in value]
    return hex(value) if name in _IN_HEX and value is not None else value
