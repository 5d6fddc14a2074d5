"""Answers in the JSON of Tecken's and Eliot's symbolication API, versions 5 and 4.

5:  {"results": [{"stacks": [[{"frame": 0, "module": "xul.pdb", "module_offset": "0xb2e3f7",
    "function": …, "function_offset": "0x…", "file": …, "line": 1, "inlines": [{"function": …,
    "file": …, "line": 1}]}, …]], "found_modules": {"xul.pdb/44E4…C2": true}}]}
4:  {"symbolicatedStacks": [["f() (in xul.pdb)", "0x7 (in libc.so)"]], "knownModules": [true, …]}

Fields that are not known are left out; "line" stands only beside "file"; inlines are innermost
first. A module is found (true), not found (false), or was not looked for to the end (null):
no frame names it, it has no debug file or debug id, or it is still pending.

What is written for a frame depends on its encoded bytes alone, apart from its position, so that
frames that come again are not written again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from operator import add
from types import MappingProxyType
from typing import Any

from symbolon.answers import EncodedAnswer
from symbolon.remembered import Remembered
from symbolon.tecken import Job, JobModule, JobStack, TeckenRequest
from symbolon.v1 import module_pb2, stack_pb2

UNKNOWN_MODULE = "<unknown>"

NOTHING: Mapping[str, Any] = MappingProxyType({})

_REMEMBERED_BYTES = 16 * 2**20

_FOUND = {
    module_pb2.MODULE_OUTCOME_FOUND: b"true",
    module_pb2.MODULE_OUTCOME_MISSING: b"false",
    module_pb2.MODULE_OUTCOME_UNAVAILABLE: b"false",
    module_pb2.MODULE_OUTCOME_MALFORMED: b"false",
}
"""Every other outcome is null."""

_NULL = b"null"


def write_response(
    request: TeckenRequest, answers: Sequence[EncodedAnswer], extras: Mapping[str, Any] = NOTHING
) -> bytes:
    """Return the response as one line; `extras` are added to version 5, such as its `debug`."""
    if request.version == 4:  # noqa: PLR2004 # the older of the two
        ((job,), (answer,)) = request.jobs, answers
        return write_v4(job, answer)
    # Joined once, at the end: what is joined step by step is copied at each step.
    pieces = [b'{"results": [']
    for number, (job, answer) in enumerate(zip(request.jobs, answers, strict=True)):
        pieces.append(b', {"stacks": [' if number else b'{"stacks": [')
        _add_stacks(pieces, job, answer)
        pieces += (b'], "found_modules": {', _write_found_modules(job, answer), b"}}")
    pieces.append(b"]")
    pieces += (b", %b: %b" % (_dump(key), _dump(value)) for key, value in extras.items())
    pieces.append(b"}")
    return b"".join(pieces)


def _write_found_modules(job: Job, answer: EncodedAnswer) -> bytes:
    keys = [module.key for module in job.modules]
    found = _write_found(job.modules, answer)
    if len(set(keys)) < len(keys):
        keys, found = _merge(keys, found)
    return b", ".join(map(add, keys, found))


def write_v5_frame(position: int, frame: bytes) -> bytes:
    """Return one frame of a stack."""
    return b'{"frame": %d, ' % position + _frames.get(frame)


def write_v4(job: Job, answer: EncodedAnswer) -> bytes:
    """Return a whole response of version 4."""
    stacks = (b"[" + b", ".join(_write_v4_stack(*pair)) + b"]" for pair in _pair(job, answer))
    keys = [module.key for module in job.modules]
    known = dict(zip(*_merge(keys, _write_found(job.modules, answer)), strict=True))
    modules = b", ".join(known[key] for key in keys)
    return (
        b'{"symbolicatedStacks": [' + b", ".join(stacks) + b'], "knownModules": [' + modules + b"]}"
    )


def _pair(job: Job, answer: EncodedAnswer) -> Iterator[tuple[JobStack, Sequence[bytes]]]:
    return zip(job.stacks, answer.stacks, strict=True)


def _add_stacks(pieces: list[bytes], job: Job, answer: EncodedAnswer) -> None:
    for number, (asked, frames) in enumerate(_pair(job, answer)):
        pieces.append(b", [" if number else b"[")
        fields = _write_fields(asked, frames)
        pieces += chain.from_iterable(zip(_positions(), fields, strict=False))
        pieces.append(b"]")


def _write_fields(asked: JobStack, frames: Sequence[bytes]) -> list[bytes]:
    """Return each frame of a stack but for its position."""
    written = _frames.get_all(frames)
    if not asked.has_nowhere:
        return written
    return [
        _write_nowhere(frame) if offset < 0 else fields
        for offset, frame, fields in zip(asked.offsets, frames, written, strict=True)
    ]


_FIRST_POSITIONS = [
    b'{"frame": 0, ',
    *(b', {"frame": %d, ' % position for position in range(1, 1_000)),
]


def _positions() -> Iterable[bytes]:
    """Yield how each frame of a stack begins, without end."""
    return chain(_FIRST_POSITIONS, (b', {"frame": %d, ' % position for position in count(1_000)))


def _write_frame(data: bytes) -> bytes:
    """Return a frame but for its position."""
    frame = stack_pb2.SymbolicatedFrame.FromString(data)
    written = _name_place(frame, hex(frame.module_offset))
    if frame.function:
        written["function"] = frame.function
        written["function_offset"] = hex(frame.function_offset)
        written |= _write_source(frame)
        if frame.inlines:
            written["inlines"] = [
                {"function": inline.function, **_write_source(inline)} for inline in frame.inlines
            ]
    return _dump(written).removeprefix(b"{")


def _write_nowhere(data: bytes) -> bytes:
    """Return a frame whose offset was given as -1."""
    frame = stack_pb2.SymbolicatedFrame.FromString(data)
    return _dump(_name_place(frame, hex(-1))).removeprefix(b"{")


def _name_place(frame: stack_pb2.SymbolicatedFrame, offset: str) -> dict[str, Any]:
    return {"module": frame.module or UNKNOWN_MODULE, "module_offset": offset}


def _write_source(place: stack_pb2.SymbolicatedFrame | stack_pb2.InlineFrame) -> dict[str, Any]:
    """Return file and line; a line without a file means nothing."""
    if not place.file:
        return {}
    return {"file": place.file, "line": place.line} if place.line else {"file": place.file}


def _write_v4_stack(asked: JobStack, frames: Sequence[bytes]) -> Iterator[bytes]:
    for offset, frame in zip(asked.offsets, frames, strict=True):
        yield _v4_frames.get(frame) if offset >= 0 else _write_v4_nowhere(frame)


def _write_v4_frame(data: bytes) -> bytes:
    frame = stack_pb2.SymbolicatedFrame.FromString(data)
    return _name_v4(frame.function or hex(frame.module_offset), frame)


def _write_v4_nowhere(data: bytes) -> bytes:
    return _name_v4(hex(-1), stack_pb2.SymbolicatedFrame.FromString(data))


def _name_v4(what: str, frame: stack_pb2.SymbolicatedFrame) -> bytes:
    return _dump(f"{what} (in {frame.module or UNKNOWN_MODULE})")


_frames = Remembered(_write_frame, _REMEMBERED_BYTES)
_v4_frames = Remembered(_write_v4_frame, _REMEMBERED_BYTES)


def _write_found(modules: Sequence[JobModule], answer: EncodedAnswer) -> list[bytes]:
    """Return true, false or null for each module."""
    return [
        _FOUND.get(result.outcome, _NULL) if module.is_named else _NULL
        for module, result in zip(modules, answer.modules, strict=True)
    ]


def _merge(keys: Sequence[bytes], found: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return each key once: a module can be listed twice with frames in only one of the two."""
    merged: dict[bytes, bytes] = {}
    for key, value in zip(keys, found, strict=True):
        if merged.get(key, _NULL) == _NULL:
            merged[key] = value
    return list(merged), list(merged.values())


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")
