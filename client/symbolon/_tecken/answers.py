"""Writes answers.

    5   {"results": [{"stacks": [[{"frame": 0, "module": "xul.pdb", "module_offset": "0xb2e3f7",
        "function": …, "function_offset": "0x…", "function_size": "0x…", "file": …, "line": 1,
        "inlines": [{"function": …, "file": …, "line": 1}]}, …]],
        "found_modules": {"xul.pdb/44E4…C2": true}}]}
    4   {"symbolicatedStacks": [["f() (in xul.pdb)", "0x7 (in libc.so)"]], "knownModules": [true]}

Fields that are not known are left out; "line" stands only beside "file"; inlines are innermost
first. If linkage names were requested, each "function" has its "linkage_name" behind it. A module
is found (true), not found (false), or undecided (null): no frame refers to it, it has no file or
id, or it is still pending. What the server would reject is answered as not found, and listed in
one field more, after "found_modules" or "knownModules": "errors".

Apart from its position a frame's text depends on its encoded bytes alone, so that frames that
recur are written once.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from json.encoder import encode_basestring_ascii as _quote
from operator import add, attrgetter
from types import MappingProxyType
from typing import Any

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.decoding import decode_module_result
from symbolon._messages.fifo_cache import FifoCache
from symbolon._tecken.jobs import V4, Job, JobModule, RejectedFrame, TeckenRequest
from symbolon.results import ModuleResult
from symbolon.v1 import module_pb2, stack_pb2

UNKNOWN_MODULE = "<unknown>"

NOTHING: Mapping[str, Any] = MappingProxyType({})

_REMEMBERED_BYTES = 16 * 2**20

_NULL = b"null"

_FOUND = defaultdict[int, bytes](
    lambda: _NULL,
    {
        module_pb2.MODULE_OUTCOME_FOUND: b"true",
        module_pb2.MODULE_OUTCOME_MISSING: b"false",
        module_pb2.MODULE_OUTCOME_UNAVAILABLE: b"false",
        module_pb2.MODULE_OUTCOME_MALFORMED: b"false",
    },
)

_BEST_LAST = (_NULL, b"false", b"true")

_OUTCOME = attrgetter("outcome")


def write_response(
    request: TeckenRequest, answers: Sequence[EncodedAnswer], extras: Mapping[str, Any] = NOTHING
) -> bytes:
    """Return the response as one line; `extras` are added to version 5, such as its `debug`."""
    if request.version == V4:
        ((job,), (answer,)) = request.jobs, answers
        return write_v4(job, answer)
    # Joined once, at the end: joining step by step would copy at each step.
    pieces = [b'{"results": [']
    for number, (job, answer) in enumerate(zip(request.jobs, answers, strict=True)):
        pieces.append(b', {"stacks": [' if number else b'{"stacks": [')
        _add_stacks(pieces, job, answer)
        pieces.append(b'], "found_modules": {')
        _add_found_modules(pieces, job, answer)
        pieces.append(b"}%b}" % _write_errors(job))
    pieces.append(b"]")
    pieces += (b", %b: %b" % (_dump(key), _dump(value)) for key, value in extras.items())
    pieces.append(b"}")
    return b"".join(pieces)


def _add_found_modules(pieces: list[bytes], job: Job, answer: EncodedAnswer) -> None:
    found = _write_found(job, answer)
    if job.memory_map.is_ordinary:
        pieces += _interleave(job.memory_map.keys, found)
    else:
        pieces.append(b", ".join(map(add, *_merge(job.modules, found))))


def write_v5_frame(position: int, frame: bytes) -> bytes:
    """Return one frame of a stack."""
    return b'{"frame": %d, ' % position + _frames.get(frame)


def write_v4(job: Job, answer: EncodedAnswer) -> bytes:
    """Return a whole response of version 4."""
    written = _write_stacks(job, answer, _v4_frames, _write_rejected_v4)
    stacks = b", ".join(b"[" + b", ".join(frames) + b"]" for frames in written)
    known = dict(zip(*_merge(job.modules, _write_found(job, answer)), strict=True))
    modules = b", ".join(known[module.key] for module in job.modules)
    return b'{"symbolicatedStacks": [%b], "knownModules": [%b]%b}' % (
        stacks,
        modules,
        _write_errors(job),
    )


def describe_modules(job: Job, answer: EncodedAnswer) -> list[ModuleResult]:
    """Return the result of each module of a job; for a rejected one, why."""
    results = map(decode_module_result, answer.modules)
    return [
        replace(result, detail=f"not looked up: {one.problem}") if one.problem else result
        for one, result in zip(job.modules, results, strict=True)
    ]


def _write_errors(job: Job) -> bytes:
    """Return what was rejected as one more field; empty if nothing was."""
    return b', "errors": ' + _dump(job.problems) if job.problems else b""


def _add_stacks(pieces: list[bytes], job: Job, answer: EncodedAnswer) -> None:
    for number, frames in enumerate(_write_stacks(job, answer, _frames, _write_rejected)):
        pieces.append(b", [" if number else b"[")
        pieces += _interleave(_begin_frames(len(frames)), frames)
        pieces.append(b"]")


def _write_stacks(
    job: Job,
    answer: EncodedAnswer,
    remembered: FifoCache[bytes],
    write_rejected: Callable[[RejectedFrame, str], bytes],
) -> Iterable[Sequence[bytes]]:
    """Return the frames of each stack, the rejected ones written as given."""
    written = map(remembered.get_all, answer.stacks)
    if not job.frames.rejected:
        return written
    replace_rejected = partial(_replace_rejected, write_rejected)
    return map(replace_rejected, written, answer.stacks, job.frames.cut_rejected())


def _replace_rejected(
    write_rejected: Callable[[RejectedFrame, str], bytes],
    written: list[bytes],
    frames: Sequence[bytes],
    rejected: Mapping[int, RejectedFrame],
) -> list[bytes]:
    for place, frame in rejected.items():
        written[place] = write_rejected(frame, _read_module(frames[place]))
    return written


def _read_module(data: bytes) -> str:
    return stack_pb2.SymbolicatedFrame.FromString(data).module


def _interleave(first: Sequence[bytes], second: Sequence[bytes]) -> list[bytes]:
    """Return the items of two sequences alternately."""
    both = [b""] * (2 * len(first))
    both[::2] = first
    both[1::2] = second
    return both


_BEGINNINGS = [b'{"frame": 0, ', *(b', {"frame": %d, ' % place for place in range(1, 1_000))]


def _begin_frames(count: int) -> Sequence[bytes]:
    """Return the beginning of each frame of a stack."""
    more = (b', {"frame": %d, ' % place for place in range(len(_BEGINNINGS), count))
    return [*_BEGINNINGS[:count], *more]


def _write_frame(data: bytes) -> bytes:
    """Return a frame but for its position, in half the time of `json.dumps`."""
    frame = stack_pb2.SymbolicatedFrame.FromString(data)
    written = _write_place(frame.module, hex(frame.module_offset))
    if frame.function:
        offset = f'"function_offset": "{frame.function_offset:#x}"'
        if frame.function_size:
            offset += f', "function_size": "{frame.function_size:#x}"'
        written += f", {_write_function(frame)}, {offset}{_write_source(frame)}"
        if frame.inlines:
            written += f', "inlines": [{", ".join(map(_write_inline, frame.inlines))}]'
    return f"{written}}}".encode("ascii")


def _write_rejected(frame: RejectedFrame, module: str) -> bytes:
    """Return a rejected frame as it was given."""
    return f"{_write_place(frame.name_module(module), frame.offset)}}}".encode("ascii")


def _write_place(module: str, offset: str) -> str:
    return f'"module": {_quote(module or UNKNOWN_MODULE)}, "module_offset": {_quote(offset)}'


def _write_inline(inline: stack_pb2.InlineFrame) -> str:
    return f"{{{_write_function(inline)}{_write_source(inline)}}}"


def _write_function(call: stack_pb2.SymbolicatedFrame | stack_pb2.InlineFrame) -> str:
    """Return the name of a function, and its linkage name if that was requested."""
    name = call.linkage_name
    linkage_name = f', "linkage_name": {_quote(name)}' if name else ""
    return f'"function": {_quote(call.function)}{linkage_name}'


def _write_source(place: stack_pb2.SymbolicatedFrame | stack_pb2.InlineFrame) -> str:
    """Return file and line; a line means nothing without a file."""
    if not place.file:
        return ""
    line = f', "line": {place.line}' if place.line else ""
    return f', "file": {_quote(place.file)}{line}'


def _write_v4_frame(data: bytes) -> bytes:
    frame = stack_pb2.SymbolicatedFrame.FromString(data)
    return _name_v4(frame.function or hex(frame.module_offset), frame.module)


def _write_rejected_v4(frame: RejectedFrame, module: str) -> bytes:
    return _name_v4(frame.offset, frame.name_module(module))


def _name_v4(what: str, module: str) -> bytes:
    return _dump(f"{what} (in {module or UNKNOWN_MODULE})")


_frames = FifoCache(_write_frame, _REMEMBERED_BYTES)
_v4_frames = FifoCache(_write_v4_frame, _REMEMBERED_BYTES)


def _write_found(job: Job, answer: EncodedAnswer) -> list[bytes]:
    """Return true, false or null for each module."""
    found = list(map(_FOUND.__getitem__, map(_OUTCOME, answer.modules)))
    if job.memory_map.is_ordinary:
        return found
    return [
        value if module.is_named or module.problem else _NULL
        for module, value in zip(job.modules, found, strict=True)
    ]


def _merge(modules: Sequence[JobModule], found: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return each key once, with the best of its values.

    A module can be listed twice with frames in only one of the two; and a path with a debug id can
    have the same key as an invalid module.
    """
    merged: dict[bytes, bytes] = {}
    for module, value in zip(modules, found, strict=True):
        merged[module.key] = max(merged.get(module.key, _NULL), value, key=_BEST_LAST.index)
    return list(merged), list(merged.values())


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")
