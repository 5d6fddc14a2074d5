"""Requests in the JSON of Tecken's and Eliot's symbolication API, versions 5 and 4.

5:  {"jobs": [{"memoryMap": [["xul.pdb", "44E4…C2"], …], "stacks": [[[0, 11723767], …], …]}]}
    or one job by itself, without "jobs".
4:  one job by itself, with "version": 4.

A module index of -1 is a frame in no module. `tecken_answers` writes what they are answered.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from symbolon.encoding import (
    EncodedReport,
    EncodedStack,
    encode_module,
    encode_offset,
    encode_offsets,
)
from symbolon.errors import InvalidReportError, InvalidRequestError
from symbolon.reports import Module

MAX_OFFSET = 2**64 - 1

_DEBUG_ID = re.compile("[0-9A-Fa-f]*")
_REMEMBERED_MODULES = 1 << 13


@dataclass(frozen=True, slots=True)
class JobStack:
    """The frames of one stack as given, in two columns."""

    indexes: Sequence[int]
    """For each frame its module index, -1 for none."""

    offsets: Sequence[int]
    """For each frame its module offset, which may be -1 as well: then nothing is found."""

    has_nowhere: bool
    """Whether some of its report's offsets may be -1."""

    def encode(self, are_return_addresses: bool) -> EncodedStack:
        """Return the stack as the API takes it; -1 is asked for so that its module is."""
        offsets = self.offsets
        if self.has_nowhere:
            offsets = [max(offset, 0) for offset in offsets]
        if not are_return_addresses:
            return EncodedStack(self.indexes, encode_offsets(offsets))
        callers = (encode_offset(offset, offset > 0) for offset in offsets[1:])
        return EncodedStack(self.indexes, [*encode_offsets(offsets[:1]), *callers])


@dataclass(frozen=True, slots=True)
class JobModule:
    """A module as given, with what is written of it again and again."""

    module: Module
    encoded: bytes
    """For the API."""

    key: bytes
    """For "found_modules", with its colon."""

    is_named: bool
    """Whether it has a debug file and a debug id: others are not looked up."""


@dataclass(frozen=True, slots=True)
class Job:
    """One crash report of a request."""

    modules: Sequence[JobModule]
    stacks: Sequence[JobStack]
    are_return_addresses: bool = False
    """Whether the offset of every frame but the innermost is where a call returns to."""

    def encode(self) -> EncodedReport:
        """Return the job as a report for the API."""
        return EncodedReport(
            [module.encoded for module in self.modules],
            [stack.encode(self.are_return_addresses) for stack in self.stacks],
        )


@dataclass(frozen=True, slots=True)
class TeckenRequest:
    """What is asked in one document."""

    version: int
    """4 or 5."""

    jobs: Sequence[Job]
    """In version 4 there is one."""


def parse_request(
    payload: object, *, version: int | None = None, are_return_addresses: bool = False
) -> TeckenRequest:
    """Return a request; raise `InvalidReportError` in Eliot's words.

    Without a version the payload tells: it is 5 unless it says 4.
    """
    version = version or _read_version(payload)
    if version == 4:  # noqa: PLR2004 # the older of the two
        payload = {"jobs": [payload]}
    jobs = parse_jobs(payload)
    if are_return_addresses:
        jobs = tuple(replace(job, are_return_addresses=True) for job in jobs)
    return TeckenRequest(version, jobs)


def _read_version(payload: object) -> int:
    is_older = isinstance(payload, dict) and payload.get("version") == 4  # noqa: PLR2004
    return 4 if is_older else 5


def parse_jobs(payload: object) -> tuple[Job, ...]:
    """Return the jobs of a request; raise `InvalidReportError` in Eliot's words."""
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


def _parse_modules(modules: object) -> Sequence[JobModule]:
    if not isinstance(modules, list):
        raise InvalidReportError("modules must be a list")
    try:
        if set(map(type, modules)) == {list}:  # a string or an object of two unpacks as well
            files, ids = zip(*modules, strict=True)
            return list(map(_make_module, files, ids))
    except (TypeError, ValueError, InvalidRequestError):
        pass  # one is wrong
    return [_parse_module(module, index) for index, module in enumerate(modules)]


def _parse_module(module: object, index: int) -> JobModule:
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
    try:
        return _make_module(debug_file, debug_id)
    except InvalidRequestError:  # a lone surrogate, which JSON can hold and no message can
        raise InvalidReportError(f"module index {index} has an invalid debug_filename") from None


@lru_cache(_REMEMBERED_MODULES)
def _make_module(debug_file: Any, debug_id: Any) -> JobModule:
    """Return a module; raise `ValueError` or `TypeError` for one that is wrong."""
    if not (isinstance(debug_file, str) and _DEBUG_ID.fullmatch(debug_id)):
        raise ValueError(debug_file, debug_id)
    module = Module(debug_file, debug_id)
    key = json.dumps(f"{debug_file}/{debug_id}").encode("ascii") + b": "
    return JobModule(module, encode_module(module), key, bool(debug_file and debug_id))


def _parse_stacks(stacks: object, module_count: int) -> Sequence[JobStack]:
    """Return the stacks; look at them one by one only if something is wrong with them."""
    if not isinstance(stacks, list):
        raise InvalidReportError("stacks must be a list of lists")
    if not stacks:
        raise InvalidReportError("no stacks specified")
    if all(isinstance(stack, list) for stack in stacks):
        try:
            indexes, offsets = zip(*chain.from_iterable(stacks), strict=True)
            if _are_frames(indexes, offsets, module_count):
                return _cut(indexes, offsets, map(len, stacks))
        except (TypeError, ValueError):
            pass  # no frames, or something that is no frame
    return [
        _parse_stack(stack, module_count, f"stack {index}") for index, stack in enumerate(stacks)
    ]


def _cut(indexes: Sequence[int], offsets: Sequence[int], lengths: Iterable[int]) -> list[JobStack]:
    """Return columns of all frames as those of each stack."""
    has_nowhere = min(offsets) < 0
    stacks = []
    start = 0
    for length in lengths:
        end = start + length
        stacks.append(JobStack(indexes[start:end], offsets[start:end], has_nowhere))
        start = end
    return stacks


def _parse_stack(stack: object, module_count: int, where: str) -> JobStack:
    if not isinstance(stack, list):
        raise InvalidReportError(f"{where} is not a list")
    frames = [
        _parse_frame(frame, module_count, f"{where} frame {index}")
        for index, frame in enumerate(stack)
    ]
    indexes, offsets = [index for index, _ in frames], [offset for _, offset in frames]
    return JobStack(indexes, offsets, -1 in offsets)


def _are_frames(indexes: Sequence[Any], offsets: Sequence[Any], module_count: int) -> bool:
    last_module = module_count - 1
    return _are_integers(indexes, -1, last_module) and _are_integers(offsets, -1, MAX_OFFSET)


def _are_integers(values: Sequence[Any], least: int, most: int) -> bool:
    return set(map(type, values)) == {int} and least <= min(values) and max(values) <= most


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
