"""From protobuf messages to plain values.

The class of a value says how it is decoded: each of its fields is read from the message's field of
the same name. A duration is called `uptime_seconds` here and `uptime`, or `uptime_duration`, there;
`seconds` alone are the `duration`. Frames and results of modules, of which an answer has many, have
functions of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

from symbolon import results

if TYPE_CHECKING:
    from symbolon.v1 import module_pb2, module_service_pb2, stack_pb2

OutcomeT = TypeVar("OutcomeT", bound=Enum)
ValueT = TypeVar("ValueT")


def decode_frame(frame: stack_pb2.SymbolicatedFrame) -> results.SymbolicatedFrame:
    """Return one frame of an answer."""
    function = frame.function or None
    return results.SymbolicatedFrame(
        module=frame.module,
        module_offset=frame.module_offset,
        outcome=decode_enum(results.FrameOutcome, frame.outcome),
        function=function,
        function_offset=None if function is None else frame.function_offset,
        file=frame.file or None,
        line=frame.line or None,
        inlines=tuple(map(decode_inline, frame.inlines)),
        is_multiple=frame.is_multiple,
        function_size=frame.function_size or None,
        linkage_name=frame.linkage_name or None,
    )


def decode_inline(inline: stack_pb2.InlineFrame) -> results.InlineFrame:
    """Return an inlined call."""
    return results.InlineFrame(
        inline.function, inline.file or None, inline.line or None, inline.linkage_name or None
    )


def decode_module_result(module: module_pb2.ModuleResult) -> results.ModuleResult:
    """Return the result for one module."""
    return results.ModuleResult(
        outcome=decode_enum(results.ModuleOutcome, module.outcome),
        detail=module.detail,
        retry_after_seconds=decode_seconds(module, "retry_after"),
        skipped_records=module.skipped_records,
    )


def decode_invalidated_modules(
    response: module_service_pb2.InvalidateModulesResponse,
) -> tuple[results.ModuleOutcome, ...]:
    """Return the outcome of each module before it was invalidated."""
    return tuple(
        decode_enum(results.ModuleOutcome, module.previous_outcome) for module in response.modules
    )


def decode_enum(kind: type[OutcomeT], number: int) -> OutcomeT:
    """Return the member of that number; an unknown one, of a newer server, is `UNSPECIFIED`."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def decode_seconds(message: Message, field: str) -> float | None:
    """Return a field of type Duration in seconds, or `None` if it is unset."""
    if not message.HasField(field):
        return None
    return float(getattr(message, field).ToNanoseconds() / 1e9)


_BY_HAND: Mapping[type[Any], Callable[[Any], Any]] = {
    results.SymbolicatedFrame: decode_frame,
    results.ModuleResult: decode_module_result,
}


def decode(kind: type[ValueT], message: Message) -> ValueT:
    """Return the value of a class of this package that a message holds.

    `None` stands for a field that is unset, or empty if it cannot be unset.
    """
    fields = _fields(kind, message.DESCRIPTOR)  # type: ignore[arg-type]  # a class is hashable
    return kind(**{field.name: field.read(message) for field in fields})


class _Field(NamedTuple):
    """One field of a class, and where a message has it."""

    name: str
    source: str
    has_presence: bool
    shape: Any
    """`tuple` or `Mapping` if there are several values, else something else."""

    kinds: tuple[Any, ...]
    """The types of the value, or of each of several; the first is not that of `None`."""

    def read(self, message: Message) -> Any:
        """Return the field's value in a message."""
        content = getattr(message, self.source)
        if self.shape is tuple:
            return tuple(_convert(self.kinds[0], item) for item in content)
        if self.shape is Mapping:
            return dict(content)
        is_set = message.HasField(self.source) if self.has_presence else content
        return None if NoneType in self.kinds and not is_set else _convert(self.kinds[0], content)


@cache
def _fields(kind: Any, descriptor: Any) -> list[_Field]:
    """Return the fields of a class, to be read from messages of that descriptor."""
    found, sources = [], descriptor.fields_by_name
    for name, hint in get_type_hints(kind).items():
        stem = name.removesuffix("seconds").removesuffix("_")
        names = name, stem, f"{stem}_duration", "duration"
        source = next(sources[of] for of in names if of in sources)
        kinds = get_args(hint) or (hint,)
        found.append(_Field(name, source.name, source.has_presence, get_origin(hint), kinds))
    return found


def _convert(kind: Any, content: Any) -> Any:
    """Return a value of this kind."""
    if kind in _BY_HAND:
        return _BY_HAND[kind](content)
    if is_dataclass(kind):
        return decode(kind, content)  # type: ignore[arg-type]  # it is a class, no instance
    if issubclass(kind, Enum):
        return decode_enum(kind, content)
    if kind is datetime:
        return content.ToDatetime(UTC)
    is_duration = kind is float and isinstance(content, Message)
    return content.ToNanoseconds() / 1e9 if is_duration else content
