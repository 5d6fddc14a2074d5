"""Writes answers."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any, Final

from symbolon.results import (
    FrameOutcome,
    ModuleOutcome,
    ModuleResult,
    SymbolicatedFrame,
    Symbolication,
)
from symbolon_server.gateway.reading import Deadline
from symbolon_server.gateway.refusals import Refused
from symbolon_server.gateway.symbolicator.facts import Facts
from symbolon_server.gateway.symbolicator.fields import MAX_ADDRESS, sort_fields
from symbolon_server.gateway.symbolicator.mangled_names import demangle_given
from symbolon_server.gateway.symbolicator.places import Place
from symbolon_server.gateway.symbolicator.requests import (
    FRAME_FIELDS,
    GivenFrame,
    GivenModule,
    GivenStack,
    StackRequest,
)

MAX_ANSWER_BYTES: Final = 128 * 2**20
"""A code file may be as long as a body, and every frame of its module repeats it."""

_FRAMES: Mapping[FrameOutcome, str] = {
    FrameOutcome.NO_MODULE: "unknown_image",
    FrameOutcome.NO_SYMBOL: "missing_symbol",
    FrameOutcome.MODULE_MALFORMED: "malformed",
}
"""All others without a function are `missing`."""

_MODULES: Mapping[ModuleOutcome, str] = {
    ModuleOutcome.FOUND: "found",
    ModuleOutcome.NOT_REFERENCED: "unused",
    ModuleOutcome.MISSING: "missing",
    ModuleOutcome.UNAVAILABLE: "fetching_failed",
    ModuleOutcome.MALFORMED: "malformed",
    ModuleOutcome.PENDING: "timeout",
    ModuleOutcome.UNSPECIFIED: "other",
}

_encode: Callable[[object], str] = JSONEncoder(separators=(",", ":")).encode

Written = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and what was found for it."""

    request: StackRequest
    places: Sequence[Sequence[Place]]
    symbolication: Symbolication
    facts: Sequence[Facts]
    """Of each module."""


def write_pending(request_id: str, retry_seconds: int) -> bytes:
    """Return the answer to a request that is held."""
    pending = {"status": "pending", "request_id": request_id, "retry_after": retry_seconds}
    return json.dumps(pending).encode("ascii")


def write_completed(
    answered: Answered, deadline: Deadline, max_bytes: int = MAX_ANSWER_BYTES
) -> bytes:
    """Return a whole answer; raise `Refused` if it is too large, or `DeadlineError`."""
    return "".join(_write(answered, _BoundedEncoder(deadline, max_bytes))).encode("ascii")


class _BoundedEncoder:
    """Encodes the items of one answer.

    One at a time: encoding all of it at once would stop every other thread for as long.
    """

    def __init__(self, deadline: Deadline, max_bytes: int) -> None:
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._bytes = 0

    def encode(self, item: object) -> str:
        """Return an item as JSON; raise `Refused` or `DeadlineError`."""
        self._deadline.left()
        text = _encode(item)
        self._bytes += len(text)
        if self._bytes > self._max_bytes:
            raise Refused(413, f"the answer is larger than {self._max_bytes} bytes")
        return text

    def encode_list(self, items: Iterable[Written], *, is_reversed: bool = False) -> str:
        """Return a list."""
        texts = list(map(self.encode, items))
        return f"[{','.join(reversed(texts) if is_reversed else texts)}]"


def _write(answered: Answered, encoder: _BoundedEncoder) -> Iterator[str]:
    request, results = answered.request, answered.symbolication
    signal = "" if request.signal is None else f'"signal":{request.signal},'
    yield f'{{"status":"completed",{signal}"stacktraces":['
    stacks = zip(request.stacks, answered.places, results.stacks, strict=True)
    for number, (stack, places, frames) in enumerate(stacks):
        head = encoder.encode({**stack.fields, "frames": []})
        yield ("," if number else "") + head.removesuffix("[]}")
        written = _write_frames(request, stack, places, frames)
        yield encoder.encode_list(written, is_reversed=request.is_caller_first)
        yield "}"
    modules = zip(request.modules, results.modules, answered.facts, strict=True)
    yield '],"modules":'
    yield encoder.encode_list(_write_module(*one) for one in modules)
    yield "}"


def _write_module(module: GivenModule, result: ModuleResult, facts: Facts) -> Written:
    candidates = {"candidates": facts.candidates} if facts.candidates else {}
    return {
        "debug_status": _MODULES[result.outcome],
        "features": facts.features,
        "arch": facts.architecture,
        **module.fields,
        **candidates,
    }


def _write_frames(
    request: StackRequest,
    stack: GivenStack,
    places: Sequence[Place],
    results: Sequence[SymbolicatedFrame],
) -> Iterator[Written]:
    """Yield the frames of a stack, innermost first, without those that a scan took for frames."""
    last_function: str | None = None
    for number, (given, place, result) in enumerate(
        zip(stack.frames, places, results, strict=True)
    ):
        module = None if place.module is None else request.modules[place.module]
        if module is not None and place.offset is not None and result.function is not None:
            for written in _write_symbolicated(number, given, module, place, result):
                yield written
                last_function = written["function"]
            continue
        written = _write_given(number, given, module, result)
        is_last = number + 1 == len(stack.frames)
        if not _is_mistaken(written, is_last=is_last, last_function=last_function):
            yield written
            last_function = written.get("function")


def _is_mistaken(written: Written, *, is_last: bool, last_function: str | None) -> bool:
    """Return whether a frame without a function is no frame, as Symbolicator decides."""
    is_unknown = written["status"] == "unknown_image"
    if written.get("trust") == "scan" and (is_unknown or written["status"] == "missing_symbol"):
        return True
    # `_start` has no caller, but some stack walkers find one.
    return is_unknown and is_last and last_function == "_start"


def _write_given(
    number: int, given: GivenFrame, module: GivenModule | None, result: SymbolicatedFrame
) -> Written:
    """Return a frame without a function, as it was given."""
    outcome = result.outcome
    status = _FRAMES.get(outcome, "missing")
    if outcome is FrameOutcome.SYMBOLICATED:  # of an offset that stands for none
        status = "missing_symbol"
    fields: Written = {**given.fields, "instruction_addr": hex(given.address)}
    if given.module is not None:
        fields["addr_mode"] = f"rel:{given.module}"
    if module is not None:
        fields["package"] = module.fields.get("code_file")
    fields |= demangle_given(fields.get("function"), fields.get("symbol"))
    known = sort_fields(fields, FRAME_FIELDS)
    return {"status": status, "original_index": number, **known}


def _write_symbolicated(
    number: int,
    given: GivenFrame,
    module: GivenModule,
    place: Place,
    result: SymbolicatedFrame,
) -> Iterator[Written]:
    """Yield the inline frames of a frame, innermost first, and then its function."""
    assert place.offset is not None  # noqa: S101 # the caller has looked
    fields = given.fields
    head: Written = {"status": "symbolicated", "original_index": number}
    head |= _pick(fields, "platform")
    if not module.has_addresses:
        head["addr_mode"] = f"rel:{place.module}"
    head["instruction_addr"] = _expose(module, place.offset)
    head |= _pick(fields, "adjust_instruction_addr", "function_id")
    if "code_file" in module.fields:
        head["package"] = module.fields["code_file"]
    tail = _pick(fields, "trust")
    for inline in result.inlines:
        source = _write_source(fields, inline.file, inline.line)
        yield {**head, "symbol": inline.function, "function": inline.function, **source, **tail}
    start = place.offset - (result.function_offset or 0)
    yield {
        **head,
        "symbol": result.function,
        "sym_addr": _expose(module, start),
        "function": result.function,
        **_write_source(fields, result.file, result.line),
        **tail,
    }


def _write_source(fields: Mapping[str, Any], file: str | None, line: int | None) -> Written:
    """Return the source line, with the file that was given if none was found."""
    source: Written = {}
    if file:
        source["filename"] = _name_of(file)
        source["abs_path"] = file
    else:
        source |= _pick(fields, "filename", "abs_path")
    return {**source, "lineno": line or 0}


def _name_of(path: str) -> str:
    name = path.rstrip("/\\")
    return name[max(name.rfind("/"), name.rfind("\\")) + 1 :]


def _pick(fields: Mapping[str, Any], *names: str) -> Written:
    return {name: fields[name] for name in names if name in fields}


def _expose(module: GivenModule, offset: int) -> str:
    address = module.start + offset
    return hex(address if address <= MAX_ADDRESS else 0)
