"""Requests: the stacks, the modules with their addresses, and what is wanted of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from symbolon import InvalidReportError, Module
from symbolon_server.gateway.reading import BodyLimits
from symbolon_server.gateway.symbolicator.fields import (
    ReadField,
    read_address,
    read_address_mode,
    read_fields,
    read_flag,
    read_frame_order,
    read_hex,
    read_registers,
    read_text,
    read_texts,
    read_trust,
    read_u32,
    read_u64,
    sort_fields,
)
from symbolon_server.gateway.symbolicator.ids import make_module, write_code_id, write_debug_id

_FRAME: Mapping[str, ReadField] = {
    "platform": read_text,
    "addr_mode": read_address_mode,
    "instruction_addr": read_address,
    "adjust_instruction_addr": read_flag,
    "function_id": read_hex,
    "package": read_text,
    "lang": read_text,
    "symbol": read_text,
    "sym_addr": read_hex,
    "function": read_text,
    "filename": read_text,
    "abs_path": read_text,
    "lineno": read_u32,
    "pre_context": read_texts,
    "context_line": read_text,
    "post_context": read_texts,
    "source_link": read_text,
    "in_app": read_flag,
    "trust": read_trust,
}
"""In the order of the answer, which repeats them if a frame is not symbolicated."""

FRAME_FIELDS = tuple(_FRAME)

_DEFAULTS: Mapping[str, Any] = {"trust": "none", "pre_context": [], "post_context": []}
"""Left out of the answer, as by Symbolicator."""

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
"""Shared by most frames of most requests."""

_STACK: Mapping[str, ReadField] = {
    "thread_id": read_u64,
    "thread_name": read_text,
    "is_requesting": read_flag,
    "registers": read_registers,
}

_MODULE: Mapping[str, ReadField] = {
    "type": read_text,
    "code_id": read_text,
    "code_file": read_text,
    "debug_id": read_text,
    "debug_file": read_text,
    "debug_checksum": read_text,
    "image_addr": read_address,
    "image_size": read_u64,
}

_OPTIONS: Mapping[str, ReadField] = {"dif_candidates": read_flag, "frame_order": read_frame_order}

_TYPES = frozenset({"elf", "macho", "pe", "wasm", "pe_dotnet"})


@dataclass(frozen=True, slots=True)
class GivenFrame:
    """A frame as it was given."""

    fields: Mapping[str, Any]
    """Its known fields but for the address."""

    address: int
    """Its address: absolute, unless it has a `module`."""

    module: int | None
    """The index of the module that its address is relative to."""

    is_adjusted: bool | None
    """Whether its address is moved back into the call; `None` if that was not said."""


@dataclass(frozen=True, slots=True)
class GivenStack:
    """A stack as it was given, innermost frame first."""

    fields: Mapping[str, Any]
    """What the answer repeats."""

    frames: Sequence[GivenFrame]

    def read_register(self, name: str) -> int | None:
        """Return the value of a register; `None` if it was not given."""
        value = self.fields.get("registers", {}).get(name)
        return None if value is None else int(value, 16)


@dataclass(frozen=True, slots=True)
class GivenModule:
    """A module, and where it was in memory."""

    fields: Mapping[str, Any]
    """What the answer repeats."""

    module: Module
    start: int
    size: int
    """0: to the end of memory."""

    @property
    def has_addresses(self) -> bool:
        """Whether addresses in it can be absolute: those of WebAssembly, at 0, cannot."""
        return self.start != 0


@dataclass(frozen=True, slots=True)
class StackRequest:
    """What a body asks for."""

    stacks: Sequence[GivenStack]
    modules: Sequence[GivenModule]
    signal: int | None
    is_caller_first: bool
    """Whether the frames of the body, and of the answer, are outermost first."""

    with_candidates: bool
    """Whether the answer tells what the suppliers said."""


def parse_stacks(payload: object, limits: BodyLimits) -> StackRequest:
    """Return the request; raise `InvalidReportError` if Symbolicator would refuse it."""
    if not isinstance(payload, dict):
        raise InvalidReportError("the body must be an object")
    stacks, modules = _list_in(payload, "stacktraces"), _list_in(payload, "modules")
    _refuse_excess(stacks, modules, limits)
    options = read_fields(payload.get("options", {}), _OPTIONS, "options")
    is_caller_first = options.get("frame_order") == "caller_first"
    return StackRequest(
        [
            _parse_stack(given, f"stacktraces[{n}]", is_caller_first)
            for n, given in enumerate(stacks)
        ],
        _place_modules([_parse_module(given, f"modules[{n}]") for n, given in enumerate(modules)]),
        read_fields(payload, {"signal": read_u32}, "body").get("signal"),
        is_caller_first,
        options.get("dif_candidates", False),
    )


def _list_in(payload: Mapping[str, Any], name: str) -> list[Any]:
    value = payload.get(name, [])
    if not isinstance(value, list):
        raise InvalidReportError(f"{name} must be a list")
    return value


def _refuse_excess(stacks: list[Any], modules: list[Any], limits: BodyLimits) -> None:
    each = (stack.get("frames") for stack in stacks if isinstance(stack, dict))
    frames = sum(len(frames) for frames in each if isinstance(frames, list))
    entries = (
        ("modules", len(modules), limits.max_modules),
        ("stacktraces", len(stacks), limits.max_frames),
        ("frames", frames, limits.max_frames),
    )
    for name, count, limit in entries:
        if count > limit:
            raise InvalidReportError(f"{name}: {count} in all, the limit is {limit}")


def _parse_stack(given: object, where: str, is_caller_first: bool) -> GivenStack:
    fields = read_fields(given, _STACK, where)
    registers = fields.get("registers")
    frames = given.get("frames") if isinstance(given, dict) else None
    if not isinstance(frames, list):
        raise InvalidReportError(f"{where}.frames must be a list")
    parsed = [_parse_frame(frame, f"{where}.frames[{n}]") for n, frame in enumerate(frames)]
    if is_caller_first:
        parsed.reverse()
    return GivenStack(sort_fields({**fields, "registers": registers or None}, _STACK), parsed)


def _parse_frame(given: object, where: str) -> GivenFrame:
    fields = read_fields(given, _FRAME, where)
    if "instruction_addr" not in fields:
        raise InvalidReportError(f"{where}.instruction_addr is missing")
    address = fields.pop("instruction_addr")
    module = fields.pop("addr_mode", None)
    for name in _DEFAULTS.keys() & fields:
        if fields[name] == _DEFAULTS[name]:
            del fields[name]
    return GivenFrame(fields or _NO_FIELDS, address, module, fields.get("adjust_instruction_addr"))


def _parse_module(given: object, where: str) -> GivenModule:
    fields = read_fields(given, _MODULE, where)
    if "type" not in fields:
        raise InvalidReportError(f"{where}.type is missing")
    if fields["type"] not in _TYPES:
        fields["type"] = "unknown"
    fields["debug_id"] = write_debug_id(fields.get("debug_id", ""))
    code_id = fields.get("code_id")
    fields["code_id"] = write_code_id(code_id) if code_id else None
    start = fields.get("image_addr", 0)
    fields["image_addr"] = hex(start)
    names = ("debug_file", "debug_id", "code_file", "code_id", "type")
    module = make_module(*(fields.get(name) or "" for name in names))
    return GivenModule(sort_fields(fields, _MODULE), module, start, fields.get("image_size", 0))


def _place_modules(modules: list[GivenModule]) -> list[GivenModule]:
    """Return the modules; one without a size ends where the next one starts."""
    order = sorted(range(len(modules)), key=lambda index: modules[index].start)
    for index, following in pairwise(order):
        module = modules[index]
        if not module.size:
            size = modules[following].start - module.start
            fields = {**module.fields, "image_size": size}
            modules[index] = GivenModule(fields, module.module, module.start, size)
    return modules
