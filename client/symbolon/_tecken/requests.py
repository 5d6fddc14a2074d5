"""Reads requests. Well-formed ones are checked column by column; others item by item."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from symbolon._messages.encoding import NO_MODULE, encode_module
from symbolon._module_ids import DEBUG_ID_FORM, find_file_fault, is_debug_id, last_part
from symbolon._tecken.jobs import (
    MOST_PROBLEMS,
    V4,
    V5,
    Job,
    JobFrames,
    JobModule,
    MemoryMap,
    Problems,
    RejectedFrame,
    TeckenRequest,
)
from symbolon.errors import InvalidReportError
from symbolon.reports import Module

MAX_OFFSET = 2**64 - 1
NOWHERE = -1
"""The offset of an unknown frame: nothing is found there."""

_PARTS, _MOST_PARTS = 2, 4
"""Debug file and debug id of a module, then code file and code id, which Eliot does not take."""

_REMEMBERED_MODULES = 1 << 13
_REMEMBERED_MAPS = 1 << 5

_NOWHERE = RejectedFrame(None, hex(NOWHERE))


def parse_request(
    payload: object,
    *,
    version: int | None = None,
    are_return_addresses: bool = False,
    is_strict: bool = False,
) -> TeckenRequest:
    """Return a request; raise `InvalidReportError` in Eliot's words.

    Without `version` it is 5, unless the payload says 4. `is_strict` is as for `parse_jobs`.
    """
    version = version or read_version(payload)
    if version == V4:
        payload = {"jobs": [payload]}
    jobs = parse_jobs(payload, is_strict=is_strict)
    if are_return_addresses:
        jobs = tuple(replace(job, are_return_addresses=True) for job in jobs)
    return TeckenRequest(version, jobs)


def read_version(payload: object) -> int:
    """Return 4 if the payload says so, else 5."""
    is_older = isinstance(payload, dict) and payload.get("version") == V4
    return V4 if is_older else V5


def parse_jobs(payload: object, *, is_strict: bool = False) -> tuple[Job, ...]:
    """Return the jobs of a request; raise `InvalidReportError` in Eliot's words.

    A module or frame that the server would reject is listed in its job's problems; all others are
    looked up. `is_strict` refuses the request at the first problem, and a debug file with a path.
    """
    if not isinstance(payload, dict):
        raise InvalidReportError("payload is not a JSON object")
    jobs = payload.get("jobs", [payload])
    if not isinstance(jobs, list):
        raise InvalidReportError("jobs must be a list")
    problems = Problems(0 if is_strict else MOST_PROBLEMS)
    return tuple(_parse_job(job, index, problems) for index, job in enumerate(jobs))


def _parse_job(job: object, index: int, problems: Problems) -> Job:
    if not isinstance(job, dict):
        raise InvalidReportError(f"job {index} is invalid")
    for key in ("stacks", "memoryMap"):
        if key not in job:
            raise InvalidReportError(f"job {index} is invalid: no {key} specified")
    try:
        memory_map = _parse_modules(job["memoryMap"], problems)
    except InvalidReportError as error:
        raise InvalidReportError(f"job {index} has invalid modules: {error}") from None
    try:
        frames = _parse_stacks(job["stacks"], memory_map, problems)
    except InvalidReportError as error:
        raise InvalidReportError(f"job {index} has invalid stacks: {error}") from None
    return Job(memory_map, frames, problems.take())


def _parse_modules(modules: object, problems: Problems) -> MemoryMap:
    """Return the modules; check them one by one only if something is wrong with them."""
    if not isinstance(modules, list):
        raise InvalidReportError("modules must be a list")
    if set(map(type, modules)) == {list}:  # a string or an object of two unpacks as well
        try:
            return _make_map(not problems.is_strict, *zip(*modules, strict=True))
        except (TypeError, ValueError):
            pass  # one is invalid
    return MemoryMap.make(
        _parse_module(module, index, problems) for index, module in enumerate(modules)
    )


@lru_cache(_REMEMBERED_MAPS)
def _make_map(takes_path: bool, *columns: Sequence[Any]) -> MemoryMap:
    """Return modules; raise `TypeError` or `ValueError` if one is invalid."""
    if len(columns) > (_MOST_PARTS if takes_path else _PARTS):
        raise ValueError(columns)
    return MemoryMap.make(map(_make_module, repeat(takes_path), *columns))


def _parse_module(module: object, index: int, problems: Problems) -> JobModule:
    most = _PARTS if problems.is_strict else _MOST_PARTS
    if not isinstance(module, list) or not _PARTS <= len(module) <= most:
        problem = "does not have a debug_filename and debug_id"
        problems.add(f"module index {index} {problem}")
        return _make_rejected(module, f"it {problem}")
    debug_file, debug_id, *code = module
    takes_path = not problems.is_strict
    if fault := find_file_fault(debug_file, takes_path=takes_path):
        problems.add(f"module index {index} has an invalid debug_filename", fault)
        return _make_rejected(module, f"the debug file: {fault}")
    if not isinstance(debug_id, str) or not is_debug_id(debug_id):
        fault = f"must be {DEBUG_ID_FORM}"
        problems.add(f"module index {index} has an invalid debug_id: {fault}")
        return _make_rejected(module, f"the debug id: {fault}")
    if not all(map(_is_text, code)):
        fault = "code file and code id must be strings"
        problems.add(f"module index {index}: {fault}")
        return _make_rejected(module, fault)
    return _make_module(takes_path, debug_file, debug_id, *code)


@lru_cache(_REMEMBERED_MODULES)
def _make_module(
    takes_path: bool, debug_file: Any, debug_id: Any, code_file: Any = "", code_id: Any = ""
) -> JobModule:
    """Return a module; raise `TypeError` or `ValueError` if it is invalid."""
    if not (_is_text(code_file) and _is_text(code_id)):
        raise TypeError(code_file, code_id)
    if find_file_fault(debug_file, takes_path=takes_path) or not is_debug_id(debug_id):
        raise ValueError(debug_file, debug_id)
    module = Module(debug_file, debug_id, code_file, code_id)
    sent = replace(module, debug_file=last_part(debug_file))
    return JobModule(module, sent, encode_module(sent), _write_key(module))


def _is_text(part: object) -> bool:
    """Return whether it is a string without lone surrogates, which no message can hold."""
    if not isinstance(part, str):
        return False
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def _make_rejected(given: object, problem: str) -> JobModule:
    """Return an invalid module with those of its parts that are strings."""
    parts = given if isinstance(given, list) else []
    debug_file, debug_id = (
        part if isinstance(part, str) else "" for part in [*parts[:2], "", ""][:2]
    )
    module, sent = Module(debug_file, debug_id), Module("", "")
    return JobModule(module, sent, encode_module(sent), _write_key(module), problem)


def _write_key(module: Module) -> bytes:
    return json.dumps(f"{module.debug_file}/{module.debug_id}").encode("ascii") + b": "


def _parse_stacks(stacks: object, memory_map: MemoryMap, problems: Problems) -> JobFrames:
    """Return the frames; check them one by one only if something is wrong with them."""
    if not isinstance(stacks, list):
        raise InvalidReportError("stacks must be a list of lists")
    if not stacks:
        raise InvalidReportError("no stacks specified")
    if all(isinstance(stack, list) for stack in stacks):
        try:
            indexes, offsets = _read_columns(stacks)
            named = set(indexes)
            if (
                _are_integers(indexes)
                and _are_integers(offsets)
                and _are_within(named, NO_MODULE, len(memory_map.modules) - 1)
                and _are_within(offsets, NOWHERE, MAX_OFFSET)
            ):
                lengths = list(map(len, stacks))
                return _set_apart(JobFrames(lengths, indexes, offsets, named), memory_map)
        except (TypeError, ValueError):
            pass  # there are no frames, or an invalid one
    return _parse_each_stack(stacks, memory_map, problems)


def _read_columns(stacks: Iterable[Iterable[Any]]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return module indexes and offsets of all frames.

    Raises `TypeError` or `ValueError` for a frame without exactly two items.
    """
    frames = list(chain.from_iterable(stacks))
    if set(map(len, frames)) != {2}:
        raise ValueError(stacks)
    values = tuple(chain.from_iterable(frames))
    return values[::2], values[1::2]


def _set_apart(
    frames: JobFrames, memory_map: MemoryMap, given: Mapping[int, str] | None = None
) -> JobFrames:
    """Return the frames; those without an offset or in a rejected module are among `rejected`.

    `given` are invalid offsets as they were given, by position; `frames` has `NOWHERE` for them.
    """
    names = memory_map.rejected
    if min(frames.offsets, default=0) > NOWHERE and names.keys().isdisjoint(frames.named):
        return frames
    given = given or {}
    rejected = dict.fromkeys((n for n, offset in enumerate(frames.offsets) if offset < 0), _NOWHERE)
    rejected |= {place: RejectedFrame(None, offset) for place, offset in given.items()}
    rejected |= {
        place: RejectedFrame(names[index], given.get(place, hex(frames.offsets[place])))
        for place, index in enumerate(frames.indexes)
        if names and index in names
    }
    offsets = [max(offset, 0) for offset in frames.offsets]
    return replace(frames, offsets=offsets, rejected=rejected)


def _parse_each_stack(
    stacks: Sequence[object], memory_map: MemoryMap, problems: Problems
) -> JobFrames:
    lengths: list[int] = []
    indexes: list[int] = []
    offsets: list[int] = []
    given: dict[int, str] = {}
    for number, stack in enumerate(stacks):
        first = len(offsets)
        for index, offset in _parse_stack(stack, memory_map, f"stack {number}", problems):
            if isinstance(offset, str):
                given[len(offsets)] = offset
            indexes.append(index)
            offsets.append(NOWHERE if isinstance(offset, str) else offset)
        lengths.append(len(offsets) - first)
    return _set_apart(JobFrames(lengths, indexes, offsets, set(indexes)), memory_map, given)


def _parse_stack(
    stack: object, memory_map: MemoryMap, where: str, problems: Problems
) -> Iterator[tuple[int, int | str]]:
    """Yield index and offset of each frame; an invalid offset as text, as it is to be written."""
    if not isinstance(stack, list):
        problems.add(f"{where} is not a list")
        return
    for index, frame in enumerate(stack):
        yield _parse_frame(frame, len(memory_map.modules), f"{where} frame {index}", problems)


def _are_integers(values: Iterable[Any]) -> bool:
    return set(map(type, values)) == {int}


def _are_within(values: Collection[int], least: int, most: int) -> bool:
    return least <= min(values) and max(values) <= most


def _parse_frame(
    frame: object, modules: int, where: str, problems: Problems
) -> tuple[int, int | str]:
    if not isinstance(frame, list) or len(frame) != 2:  # noqa: PLR2004 - index and offset
        problems.add(f"{where} is not a list of two items")
        return NO_MODULE, NOWHERE
    index, offset = frame
    if not _is_integer(index):
        problems.add(f"{where} has an invalid module_index")
        index = NO_MODULE
    elif not NO_MODULE <= index < modules:
        problems.add(f"{where} has a module_index that isn't in modules")
        index = NO_MODULE
    if not _is_integer(offset) or not NOWHERE <= offset <= MAX_OFFSET:
        problems.add(f"{where} has an invalid module_offset")
        offset = _write_offset(offset)
    return index, offset


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _write_offset(offset: object) -> str:
    """Return an invalid offset as given, if that is text or an integer."""
    if isinstance(offset, str):
        return offset or hex(NOWHERE)
    return hex(offset if isinstance(offset, int) else NOWHERE)
