"""Reports as bytes on the wire, each frame apart from the position of its module.

The position is known only when it is known what else is in the call. A frame is joined of two
pieces that are remembered: `symbolon.v1.Frame.module_index`, and the fields after it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.duration_pb2 import Duration

from symbolon.errors import FieldViolation, InvalidRequestError
from symbolon.reports import Frame, Module
from symbolon.v1 import module_pb2, stack_pb2

NO_MODULE = -1
"""The index of a frame in no known module."""

_REMEMBERED = 1 << 17


@dataclass(frozen=True, slots=True)
class EncodedStack:
    """One stack of a report."""

    indexes: Sequence[int]
    """For each frame the position of its module in the report, or `NO_MODULE`."""

    offsets: Sequence[bytes]
    """For each frame the encoded fields after `module_index`, see `encode_offset`."""

    @property
    def size(self) -> int:
        """Number of its frames, and one for itself."""
        return 1 + len(self.indexes)


@dataclass(frozen=True, slots=True)
class EncodedReport:
    """One report, ready to be put into a call, alone or with others."""

    modules: Sequence[bytes]
    """Each an encoded `symbolon.v1.Module`."""

    stacks: Sequence[EncodedStack]

    @property
    def size(self) -> int:
        """Number of its frames and stacks: what it costs."""
        return sum(stack.size for stack in self.stacks)


class AnyReport(Protocol):
    """Whatever can be asked about as one report: `Report`, or a class of your own."""

    def encode(self) -> EncodedReport:
        """Return the report for the wire, see `encode_report`; raise `InvalidRequestError`."""


@dataclass(frozen=True, slots=True)
class Report:
    """The stacks of one crash, and the modules that their frames are in."""

    modules: Sequence[Module]
    stacks: Sequence[Sequence[Frame]]

    def encode(self) -> EncodedReport:
        """Return the report for the wire; raise `InvalidRequestError` for what it cannot hold."""
        return encode_report(self.modules, self.stacks)


def encode_report(modules: Sequence[Module], stacks: Sequence[Sequence[Frame]]) -> EncodedReport:
    """Return the report; raise `InvalidRequestError` for what no message can hold."""
    return EncodedReport(
        [encode_module(module, f"modules[{index}]") for index, module in enumerate(modules)],
        [
            _encode_stack(stack, len(modules), f"stacks[{index}]")
            for index, stack in enumerate(stacks)
        ],
    )


def _encode_stack(stack: Sequence[Frame], modules: int, field: str) -> EncodedStack:
    indexes, offsets = [], []
    for number, frame in enumerate(stack):
        try:
            indexes.append(_encode_index(frame.module_index, modules))
            offsets.append(encode_offset(frame.module_offset, frame.is_return_address))
        except (TypeError, ValueError) as error:
            raise refuse(f"{field}.frames[{number}]", f"{frame!r} is no frame: {error}") from error
    return EncodedStack(indexes, offsets)


def _encode_index(index: int | None, modules: int) -> int:
    if index is None:
        return NO_MODULE
    if not 0 <= index < modules:
        raise ValueError(f"the report has {modules} modules")
    return index


class _Encoded(dict[int, bytes]):
    """Encoded frames that differ in one number, made when they are first asked for.

    When it is full all are forgotten. Threads may ask at the same time: then one is made twice.
    """

    def __init__(self, make: Callable[[int], stack_pb2.Frame]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> bytes:
        if len(self) >= _REMEMBERED:
            self.clear()
        encoded = self[number] = self._make(number).SerializeToString()
        return encoded


_offsets = _Encoded(lambda offset: stack_pb2.Frame(module_offset=offset))
_callers = _Encoded(lambda offset: stack_pb2.Frame(module_offset=offset, is_return_address=True))
_indexes = _Encoded(lambda index: stack_pb2.Frame(module_index=index))


def encode_offset(module_offset: int, is_return_address: bool = False) -> bytes:
    """Return the fields of a frame after its index; raise `ValueError` for what is no offset."""
    return (_callers if is_return_address else _offsets)[module_offset]


def encode_offsets(module_offsets: Iterable[int]) -> list[bytes]:
    """Return the same for each offset, none of which is a return address."""
    return list(map(_offsets.__getitem__, module_offsets))


def encode_indexes(indexes: Iterable[int]) -> list[bytes]:
    """Return the first field of a frame, for the position of each module in the call."""
    return list(map(_indexes.__getitem__, indexes))


def encode_module(module: Module, field: str = "module") -> bytes:
    """Return an encoded `symbolon.v1.Module`; `field` is what an error calls it."""
    return make_module(module, field).SerializeToString()


def make_module(module: Module, field: str = "module") -> module_pb2.Module:
    """Return the message for a module; raise `InvalidRequestError`."""
    try:
        return module_pb2.Module(
            debug_file=module.debug_file,
            debug_id=module.debug_id,
            code_file=module.code_file,
            code_id=module.code_id,
        )
    except (TypeError, ValueError) as error:  # UnicodeEncodeError of a lone surrogate is one
        raise refuse(field, f"{module!r} is no module: {error}") from error


def encode_wait(seconds: float) -> Duration:
    """Return the duration; raise `InvalidRequestError` for what is none."""
    wait = Duration()
    try:
        wait.FromNanoseconds(round(seconds * 1e9))
    except (OverflowError, TypeError, ValueError) as error:
        raise refuse("max_wait", f"{seconds!r} is no duration in seconds: {error}") from error
    return wait


def refuse(field: str, description: str) -> InvalidRequestError:
    """Return the error for one field, as a server would tell it."""
    return InvalidRequestError(f"{field}: {description}", (FieldViolation(field, description),))
