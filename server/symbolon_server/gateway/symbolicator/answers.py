"""Writes answers."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any, Final, NamedTuple, Self

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.decoding import decode_enum
from symbolon.results import FrameOutcome, ModuleOutcome
from symbolon.v1 import module_pb2
from symbolon_server.gateway.reading import Deadline
from symbolon_server.gateway.refusals import Refused
from symbolon_server.gateway.symbolicator.facts import Facts
from symbolon_server.gateway.symbolicator.fields import MAX_ADDRESS, sort_fields
from symbolon_server.gateway.symbolicator.found_frames import FOUND_FRAMES, FoundFrame
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
    answer: EncodedAnswer
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
    return "".join(_write(answered, _Bounds(deadline, max_bytes))).encode("ascii")


class _Bounds:
    """Checks the pieces of one answer.

    They are made one at a time: encoding all at once would stop every other thread for as long.
    """

    def __init__(self, deadline: Deadline, max_bytes: int) -> None:
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._bytes = 0

    def join(self, items: Iterable[str], *, is_reversed: bool = False) -> str:
        """Return a list of items; raise `Refused` or `DeadlineError`."""
        texts = []
        for text in items:
            self._deadline.left()
            texts.append(text)
            self._bytes += len(text)
            if self._bytes > self._max_bytes:
                raise Refused(413, f"the answer is larger than {self._max_bytes} bytes")
        return f"[{','.join(reversed(texts) if is_reversed else texts)}]"


def _write(answered: Answered, bounds: _Bounds) -> Iterator[str]:
    request = answered.request
    signal = "" if request.signal is None else f'"signal":{request.signal},'
    yield f'{{"status":"completed",{signal}"stacktraces":'
    yield f"[{','.join(_write_stacks(answered, bounds))}]"
    modules = zip(request.modules, answered.answer.modules, answered.facts, strict=True)
    yield ',"modules":'
    yield bounds.join(_encode(_write_module(request, *one)) for one in modules)
    yield "}"


def _write_stacks(answered: Answered, bounds: _Bounds) -> Iterator[str]:
    request = answered.request
    modules = [_ModuleText.make(module) for module in request.modules]
    stacks = zip(request.stacks, answered.places, answered.answer.stacks, strict=True)
    for stack, places, encoded in stacks:
        frames = _write_frames(stack, modules, places, FOUND_FRAMES.get_all(encoded))
        head = _encode({**stack.fields, "frames": []}).removesuffix("[]}")
        yield f"{head}{bounds.join(frames, is_reversed=request.is_caller_first)}}}"


def _write_module(
    request: StackRequest, module: GivenModule, result: module_pb2.ModuleResult, facts: Facts
) -> Written:
    has_candidates = request.with_candidates and facts.candidates
    return {
        "debug_status": _MODULES[decode_enum(ModuleOutcome, result.outcome)],
        "features": facts.features,
        "arch": facts.architecture,
        **module.fields,
        **({"candidates": facts.candidates} if has_candidates else {}),
    }


class _ModuleText(NamedTuple):
    """A module, and what its frames repeat."""

    given: GivenModule
    package: str
    """The field of its code file as JSON with a comma; empty if it has none."""

    @classmethod
    def make(cls, given: GivenModule) -> Self:
        """Return the texts of a module."""
        name = given.fields.get("code_file")
        return cls(given, "" if name is None else f'"package":{_encode(name)},')


def _write_frames(
    stack: GivenStack,
    modules: Sequence[_ModuleText],
    places: Sequence[Place],
    results: Sequence[FoundFrame],
) -> Iterator[str]:
    """Yield the frames of a stack, innermost first, without those that a scan took for frames."""
    last_function: str | None = None
    each = zip(stack.frames, places, results, strict=True)
    for number, (given, place, found) in enumerate(each):
        module = None if place.module is None else modules[place.module]
        if module is not None and place.offset is not None and found.levels:
            yield from _write_symbolicated(number, given, module, place, found)
            last_function = found.function
            continue
        written = _write_given(number, given, module, found.outcome)
        is_last = number + 1 == len(stack.frames)
        if not _is_mistaken(written, is_last=is_last, last_function=last_function):
            yield _encode(written)
            last_function = written.get("function")


def _is_mistaken(written: Written, *, is_last: bool, last_function: str | None) -> bool:
    """Return whether a frame without a function is no frame, as Symbolicator decides."""
    is_unknown = written["status"] == "unknown_image"
    if written.get("trust") == "scan" and (is_unknown or written["status"] == "missing_symbol"):
        return True
    # `_start` has no caller, but some stack walkers find one.
    return is_unknown and is_last and last_function == "_start"


def _write_given(
    number: int, given: GivenFrame, module: _ModuleText | None, outcome: FrameOutcome
) -> Written:
    """Return a frame without a function, as it was given."""
    status = _FRAMES.get(outcome, "missing")
    if outcome is FrameOutcome.SYMBOLICATED:  # of an offset that stands for none
        status = "missing_symbol"
    fields: Written = {**given.fields, "instruction_addr": hex(given.address)}
    if given.module is not None:
        fields["addr_mode"] = f"rel:{given.module}"
    if module is not None:
        fields["package"] = module.given.fields.get("code_file")
    fields |= demangle_given(fields.get("function"), fields.get("symbol"))
    known = sort_fields(fields, FRAME_FIELDS)
    return {"status": status, "original_index": number, **known}


def _write_symbolicated(
    number: int, given: GivenFrame, module: _ModuleText, place: Place, found: FoundFrame
) -> Iterator[str]:
    """Yield the inline frames of a frame, innermost first, and then its function, as JSON.

    Pieces are joined: that takes a third of the time of encoding objects.
    """
    assert place.offset is not None  # noqa: S101 # the caller has looked
    fields = given.fields
    platform = _write_pieces(fields, "platform")
    mode = "" if module.given.has_addresses else f'"addr_mode":"rel:{place.module}",'
    address = _expose(module.given, place.offset)
    adjusted = _write_pieces(fields, "adjust_instruction_addr", "function_id")
    head = (
        f'{{"status":"symbolicated","original_index":{number},{platform}{mode}'
        f'"instruction_addr":"{address}",{adjusted}{module.package}"symbol":'
    )
    trust = f',"trust":"{fields["trust"]}"' if "trust" in fields else ""
    start = f'"sym_addr":"{_expose(module.given, place.offset - found.function_offset)}",'
    outermost = len(found.levels) - 1
    for depth, (symbol, name, source, line) in enumerate(found.levels):
        own = start if depth == outermost else ""
        told = source or _write_pieces(fields, "filename", "abs_path")
        yield f'{head}{symbol},{own}"function":{name},{told}"lineno":{line}{trust}}}'


def _write_pieces(fields: Mapping[str, Any], *names: str) -> str:
    """Return those fields that there are as JSON, each with a comma."""
    if not fields:
        return ""
    return "".join(f'"{name}":{_encode(fields[name])},' for name in names if name in fields)


def _expose(module: GivenModule, offset: int) -> str:
    address = module.start + offset
    return hex(address if address <= MAX_ADDRESS else 0)
