"""The JSON of Tecken's and Eliot's symbolication API, version 5.

In:   {"jobs": [{"memoryMap": [["xul.pdb", "44E4…C2"], …], "stacks": [[[0, 11723767], …], …]}]}
      or one job by itself, without "jobs". A module index of -1 is a frame in no module.
Out:  {"results": [{"stacks": [[{"frame": 0, "module": "xul.pdb", "module_offset": "0xb2e3f7",
      "function": …, "function_offset": "0x…", "file": …, "line": 1, "inlines": [{"function": …,
      "file": …, "line": 1}]}, …]], "found_modules": {"xul.pdb/44E4…C2": true}}]}

Fields that are not known are left out; "line" stands only beside "file"; inlines are innermost
first. A module is found (true), not found (false), or was not looked for to the end (null):
no frame names it, it has no debug file or debug id, or it is still pending.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symbolon.errors import InvalidReportError
from symbolon.reports import Frame, Module
from symbolon.results import InlineFrame, ModuleOutcome, SymbolicatedFrame, Symbolication

MAX_OFFSET = 2**64 - 1
UNKNOWN_MODULE = "<unknown>"

_DEBUG_ID = re.compile("[0-9A-Fa-f]*")

_FOUND = {
    ModuleOutcome.FOUND: True,
    ModuleOutcome.MISSING: False,
    ModuleOutcome.UNAVAILABLE: False,
    ModuleOutcome.MALFORMED: False,
}
"""Every other outcome is null."""


@dataclass(frozen=True, slots=True)
class Job:
    """One crash report of a v5 request."""

    modules: tuple[Module, ...]
    stacks: tuple[tuple[tuple[int, int], ...], ...]
    """Each frame as given: module index and module offset, either of which may be -1."""


def parse_jobs(payload: object) -> tuple[Job, ...]:
    """Return the jobs of a v5 request; raises `InvalidReportError` in Eliot's words."""
    if not isinstance(payload, dict):
        raise InvalidReportError("payload is not a JSON object")
    jobs = payload.get("jobs", [payload])
    if not isinstance(jobs, list):
        raise InvalidReportError("jobs must be a list")
    return tuple(_parse_job(job, index) for index, job in enumerate(jobs))


def _parse_job(job: object, index: int) -> Job:
    if not isinstance(job, dict):
        raise InvalidReportError(f"job {index} is invalid")
    for key in ("stacks", "memoryMap"):
        if key not in job:
            raise InvalidReportError(f"job {index} is invalid: no {key} specified")
    try:
        modules = _parse_modules(job["memoryMap"])
    except InvalidReportError as error:
        raise InvalidReportError(f"job {index} has invalid modules: {error}") from None
    try:
        return Job(modules, _parse_stacks(job["stacks"], len(modules)))
    except InvalidReportError as error:
        raise InvalidReportError(f"job {index} has invalid stacks: {error}") from None


def _parse_modules(modules: object) -> tuple[Module, ...]:
    if not isinstance(modules, list):
        raise InvalidReportError("modules must be a list")
    return tuple(_parse_module(module, index) for index, module in enumerate(modules))


def _parse_module(module: object, index: int) -> Module:
    if not isinstance(module, list) or len(module) != 2:  # noqa: PLR2004 - file and id
        raise InvalidReportError(
            f"module index {index} does not have a debug_filename and debug_id"
        )
    debug_file, debug_id = module
    # What makes a valid file name is the server's to say.
    if not isinstance(debug_file, str):
        raise InvalidReportError(f"module index {index} has an invalid debug_filename")
    if not isinstance(debug_id, str) or not _DEBUG_ID.fullmatch(debug_id):
        raise InvalidReportError(f"module index {index} has an invalid debug_id")
    return Module(debug_file, debug_id)


def _parse_stacks(stacks: object, module_count: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    if not isinstance(stacks, list):
        raise InvalidReportError("stacks must be a list of lists")
    if not stacks:
        raise InvalidReportError("no stacks specified")
    for index, stack in enumerate(stacks):
        if not isinstance(stack, list):
            raise InvalidReportError(f"stack {index} is not a list")
    return tuple(
        tuple(
            _parse_frame(frame, module_count, f"stack {index} frame {frame_index}")
            for frame_index, frame in enumerate(stack)
        )
        for index, stack in enumerate(stacks)
    )


def _parse_frame(frame: object, module_count: int, where: str) -> tuple[int, int]:
    if not isinstance(frame, list) or len(frame) != 2:  # noqa: PLR2004 - index and offset
        raise InvalidReportError(f"{where} is not a list of two items")
    module_index, module_offset = frame
    if not _is_integer(module_index):
        raise InvalidReportError(f"{where} has an invalid module_index")
    if not -1 <= module_index < module_count:
        raise InvalidReportError(f"{where} has a module_index that isn't in modules")
    if not _is_integer(module_offset) or not -1 <= module_offset <= MAX_OFFSET:
        raise InvalidReportError(f"{where} has an invalid module_offset")
    return module_index, module_offset


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def make_stacks(job: Job, *, are_return_addresses: bool = False) -> list[list[Frame]]:
    """Return the job's stacks as the API takes them.

    With `are_return_addresses` the offset of every frame but the innermost is where a call
    returns to. The offset -1 finds nothing; it is asked for so that its module is.
    """
    return [
        [
            Frame(
                module_index=None if index < 0 else index,
                module_offset=max(offset, 0),
                is_return_address=are_return_addresses and position > 0 and offset > 0,
            )
            for position, (index, offset) in enumerate(stack)
        ]
        for stack in job.stacks
    ]


def write_result(job: Job, answer: Symbolication) -> dict[str, Any]:
    """Return one entry of "results"."""
    return {
        "stacks": [
            [
                _write_frame(position, offset, frame)
                for position, ((_, offset), frame) in enumerate(zip(asked, stack, strict=True))
            ]
            for asked, stack in zip(job.stacks, answer.stacks, strict=True)
        ],
        "found_modules": _write_found_modules(job, answer),
    }


def _write_found_modules(job: Job, answer: Symbolication) -> dict[str, bool | None]:
    found_modules: dict[str, bool | None] = {}
    for module, result in zip(job.modules, answer.modules, strict=True):
        key = f"{module.debug_file}/{module.debug_id}"
        found = _write_found(module, result.outcome)
        # A module can be listed twice with frames in only one of the two.
        if found_modules.get(key) is None:
            found_modules[key] = found
    return found_modules


def _write_found(module: Module, outcome: ModuleOutcome) -> bool | None:
    if not module.debug_file or not module.debug_id:
        return None
    return _FOUND.get(outcome)


def _write_frame(position: int, module_offset: int, frame: SymbolicatedFrame) -> dict[str, Any]:
    written: dict[str, Any] = {
        "frame": position,
        "module": frame.module or UNKNOWN_MODULE,
        "module_offset": hex(module_offset),
    }
    if frame.function is None or frame.function_offset is None or module_offset < 0:
        return written
    written["function"] = frame.function
    written["function_offset"] = hex(frame.function_offset)
    written |= _write_source(frame.file, frame.line)
    if frame.inlines:
        written["inlines"] = _write_inlines(frame.inlines)
    return written


def _write_inlines(inlines: Sequence[InlineFrame]) -> list[dict[str, Any]]:
    return [
        {"function": inline.function, **_write_source(inline.file, inline.line)}
        for inline in inlines
    ]


def _write_source(file: str | None, line: int | None) -> dict[str, Any]:
    """Return file and line; a line without a file means nothing."""
    if file is None:
        return {}
    return {"file": file} if line is None else {"file": file, "line": line}
