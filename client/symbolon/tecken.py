"""Requests in the JSON of Tecken's and Eliot's symbolication API, versions 5 and 4.

5:  {"jobs": [{"memoryMap": [["xul.pdb", "44E4…C2"], …], "stacks": [[[0, 11723767], …], …]}]}
    or one job by itself, without "jobs".
4:  one job by itself, with "version": 4.

A module index of -1 is a frame in no module. `tecken_answers` writes what they are answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any

from symbolon.encoding import EncodedReport, encode_module
from symbolon.errors import InvalidReportError, InvalidRequestError
from symbolon.reports import Module

MAX_OFFSET = 2**64 - 1

_DEBUG_ID = re.compile("[0-9A-Fa-f]*")
_REMEMBERED_MODULES = 1 << 13
_REMEMBERED_MAPS = 1 << 5


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
class MemoryMap:
    """The modules of a job, and columns of them that are needed again and again."""

    modules: Sequence[JobModule]
    encoded: Sequence[bytes]
    keys: Sequence[bytes]
    """For "found_modules", each with what goes before it."""

    is_ordinary: bool
    """Whether each module is named, and none is there twice."""

    @classmethod
    def make(cls, modules: Iterable[JobModule]) -> MemoryMap:
        """Return the map of these modules."""
        entries = tuple(modules)
        keys = [module.key for module in entries]
        return cls(
            entries,
            [module.encoded for module in entries],
            [*keys[:1], *(b", " + key for key in keys[1:])],
            is_ordinary=len(set(keys)) == len(keys) and all(module.is_named for module in entries),
        )


@dataclass(frozen=True, slots=True)
class JobFrames:
    """The frames as given, in two columns, one stack after the other."""

    lengths: Sequence[int]
    """For each stack the number of its frames."""

    indexes: Sequence[int]
    """For each frame its module index, -1 for none."""

    offsets: Sequence[int]
    """For each frame its module offset, which may be -1 as well: then nothing is found."""

    named: AbstractSet[int]
    """The indexes, each once."""

    has_nowhere: bool
    """Whether some of the offsets are -1."""

    def cut_offsets(self) -> Iterator[Sequence[int]]:
        """Yield the offsets of each stack."""
        end = 0
        for length in self.lengths:
            start, end = end, end + length
            yield self.offsets[start:end]

    def encode_offsets(self, are_return_addresses: bool) -> Sequence[int]:
        """Return the offsets as the API takes them; -1 is asked for so that its module is."""
        offsets = self.offsets
        if self.has_nowhere:
            offsets = [max(offset, 0) for offset in offsets]
        if not are_return_addresses:
            return offsets
        callers = [~offset if offset > 0 else offset for offset in offsets]
        for first in accumulate((0, *self.lengths[:-1])):
            callers[first : first + 1] = offsets[first : first + 1]
        return callers


@dataclass(frozen=True, slots=True)
class Job:
    """One crash report of a request."""

    memory_map: MemoryMap
    frames: JobFrames
    are_return_addresses: bool = False
    """Whether the offset of every frame but the innermost is where a call returns to."""

    @property
    def modules(self) -> Sequence[JobModule]:
        """The modules that the frames' indexes mean."""
        return self.memory_map.modules

    def encode(self) -> EncodedReport:
        """Return the job as a report for the API."""
        frames = self.frames
        return EncodedReport(
            self.memory_map.encoded,
            frames.lengths,
            frames.indexes,
            frames.encode_offsets(self.are_return_addresses),
            frames.named,
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
        memory_map = _parse_modules(job["memoryMap"])
    except InvalidReportError as error:
        raise InvalidReportError(f"job {index} has invalid modules: {error}") from None
    try:
        return Job(memory_map, _parse_stacks(job["stacks"], len(memory_map.modules)))
    except InvalidReportError as error:
        raise InvalidReportError(f"job {index} has invalid stacks: {error}") from None


def _parse_modules(modules: object) -> MemoryMap:
    """Return the modules; look at them one by one only if something is wrong with them."""
    if not isinstance(modules, list):
        raise InvalidReportError("modules must be a list")
    if set(map(type, modules)) == {list}:  # a string or an object of two unpacks as well
        try:
            return _make_map(*zip(*modules, strict=True))
        except (TypeError, ValueError, InvalidRequestError):
            pass  # one is wrong
    return MemoryMap.make(_parse_module(module, index) for index, module in enumerate(modules))


@lru_cache(_REMEMBERED_MAPS)
def _make_map(debug_files: Sequence[Any], debug_ids: Sequence[Any]) -> MemoryMap:
    """Return modules; raise `TypeError`, `ValueError` or `InvalidRequestError` for wrong ones."""
    return MemoryMap.make(map(_make_module, debug_files, debug_ids))


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
    """Return a module; raise `TypeError`, `ValueError` or `InvalidRequestError` for a wrong one."""
    if not (isinstance(debug_file, str) and _DEBUG_ID.fullmatch(debug_id)):
        raise ValueError(debug_file, debug_id)
    module = Module(debug_file, debug_id)
    key = json.dumps(f"{debug_file}/{debug_id}").encode("ascii") + b": "
    return JobModule(module, encode_module(module), key, bool(debug_file and debug_id))


def _parse_stacks(stacks: object, module_count: int) -> JobFrames:
    """Return the frames; look at them one by one only if something is wrong with them."""
    if not isinstance(stacks, list):
        raise InvalidReportError("stacks must be a list of lists")
    if not stacks:
        raise InvalidReportError("no stacks specified")
    if all(isinstance(stack, list) for stack in stacks):
        try:
            indexes, offsets = zip(*chain.from_iterable(stacks), strict=True)
            named = set(indexes)
            if (
                _are_integers(indexes)
                and _are_integers(offsets)
                and _are_within(named, -1, module_count - 1)
                and _are_within(offsets, -1, MAX_OFFSET)
            ):
                return JobFrames(list(map(len, stacks)), indexes, offsets, named, min(offsets) < 0)
        except (TypeError, ValueError):
            pass  # no frames, or something that is no frame
    return _parse_each_stack(stacks, module_count)


def _parse_each_stack(stacks: Sequence[object], module_count: int) -> JobFrames:
    parsed = [
        _parse_stack(stack, module_count, f"stack {index}") for index, stack in enumerate(stacks)
    ]
    frames = list(chain.from_iterable(parsed))
    indexes, offsets = [index for index, _ in frames], [offset for _, offset in frames]
    return JobFrames(list(map(len, parsed)), indexes, offsets, set(indexes), -1 in offsets)


def _parse_stack(stack: object, module_count: int, where: str) -> Sequence[tuple[int, int]]:
    if not isinstance(stack, list):
        raise InvalidReportError(f"{where} is not a list")
    return [
        _parse_frame(frame, module_count, f"{where} frame {index}")
        for index, frame in enumerate(stack)
    ]


def _are_integers(values: Iterable[Any]) -> bool:
    return set(map(type, values)) == {int}


def _are_within(values: Collection[int], least: int, most: int) -> bool:
    return least <= min(values) and max(values) <= most


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
