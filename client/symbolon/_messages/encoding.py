"""Reports, encoded but for the module index of each frame.

A module's index is known only once it is known what else is in the call. Then a frame is joined
from two cached pieces: `symbolon.v1.Frame.module_index`, and the fields after it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from operator import add, index
from typing import Protocol

from google.protobuf.duration_pb2 import Duration

from symbolon.errors import FieldViolation, InvalidRequestError
from symbolon.reports import Frame, Module
from symbolon.v1 import module_pb2, stack_pb2

NO_MODULE = -1
"""The index of a frame in no known module."""

_CACHED_FRAMES = 1 << 17


@dataclass(frozen=True, slots=True)
class EncodedReport:
    """One report, ready to be sent, alone or with others.

    Its frames are in two columns, one stack after the other. Most callers get one from
    `Report.encode`.
    """

    modules: Sequence[bytes]
    """Each an encoded `symbolon.v1.Module`."""

    lengths: Sequence[int]
    """Number of frames of each stack."""

    indexes: Sequence[int]
    """Module index of each frame; -1 for a frame in no known module."""

    offsets: Sequence[int]
    """Module offset of each frame, 0 to 2**64 - 1; `~offset` for a return address."""

    named: AbstractSet[int]
    """The distinct indexes."""

    @property
    def size(self) -> int:
        """Number of its frames and stacks, the measure of its cost."""
        return len(self.lengths) + len(self.indexes)


class AnyReport(Protocol):
    """Anything that can be sent as one report: `Report`, or a class of your own."""

    def encode(self) -> EncodedReport:
        """Return the encoded report, as `Report.encode` does; may raise `InvalidRequestError`."""


@dataclass(frozen=True, slots=True)
class Report:
    """The stacks of one crash, and the modules of their frames."""

    modules: Sequence[Module]
    stacks: Sequence[Sequence[Frame]]

    def encode(self) -> EncodedReport:
        """Return the encoded report; raise `InvalidRequestError` for values no message can hold."""
        return encode_report(self.modules, self.stacks)


def encode_report(modules: Sequence[Module], stacks: Sequence[Sequence[Frame]]) -> EncodedReport:
    """Return the report; raise `InvalidRequestError` for values that no message can hold."""
    check_list("modules", modules)
    check_list("stacks", stacks)
    for place, stack in enumerate(stacks):
        check_list(f"stacks[{place}]", stack)
    encoded = [encode_module(module, f"modules[{place}]") for place, module in enumerate(modules)]
    indexes, offsets = [], []
    for place, stack in enumerate(stacks):
        for number, frame in enumerate(stack):
            try:
                indexes.append(_encode_index(frame.module_index, len(modules)))
                offsets.append(_read_offset(frame))
            except (AttributeError, TypeError, ValueError) as error:
                field = f"stacks[{place}].frames[{number}]"
                raise refuse(field, f"{frame!r} is not a frame: {error}") from error
    lengths = [len(stack) for stack in stacks]
    return EncodedReport(encoded, lengths, indexes, offsets, set(indexes))


def check_list(field: str, items: object) -> None:
    """Raise `InvalidRequestError` if `items` is not a list, such as a frame in place of a stack."""
    if not isinstance(items, Collection):
        raise refuse(field, f"{items!r} is not a list")


def _encode_index(position: int | None, modules: int) -> int:
    if position is None:
        return NO_MODULE
    if not 0 <= position < modules:
        raise ValueError(f"the report has {modules} modules")
    return position


def _read_offset(frame: Frame) -> int:
    """Return the offset for the column; raise `TypeError` or `ValueError` if it is invalid."""
    offset = index(frame.module_offset)
    if offset < 0:
        raise ValueError("an offset is not negative")
    if frame.is_return_address:
        offset = ~offset
    _offsets[offset]  # raises if no message can hold it
    return offset


class _FrameCache(dict[int, bytes]):
    """Encoded frames that differ in one number, each made on first use. Thread-safe.

    A full cache is cleared. Two threads may make the same frame at once.
    """

    def __init__(self, make: Callable[[int], stack_pb2.Frame]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> bytes:
        if len(self) >= _CACHED_FRAMES:
            self.clear()
        encoded = self[number] = self._make(number).SerializeToString()
        return encoded


def _make_offset(offset: int) -> stack_pb2.Frame:
    if offset < 0:
        return stack_pb2.Frame(module_offset=~offset, is_return_address=True)
    return stack_pb2.Frame(module_offset=offset)


_offsets = _FrameCache(_make_offset)
_indexes = _FrameCache(lambda position: stack_pb2.Frame(module_index=position))


def encode_frames(report: EncodedReport, positions: Iterable[int]) -> Iterator[bytes]:
    """Return each frame as an encoded `symbolon.v1.Frame`.

    `positions` are the indexes of the report's modules in the call.
    """
    # The last one is found by the index -1, of a frame in no module.
    indexes = [*map(_indexes.__getitem__, positions), b""]
    return map(
        add,
        map(indexes.__getitem__, report.indexes),
        map(_offsets.__getitem__, report.offsets),
    )


def encode_module(module: Module, field: str = "module") -> bytes:
    """Return an encoded `symbolon.v1.Module`; errors name it `field`."""
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
    except (AttributeError, TypeError, ValueError) as error:
        # UnicodeEncodeError of a lone surrogate is a ValueError.
        raise refuse(field, f"{module!r} is not a module: {error}") from error


def encode_wait(seconds: float) -> Duration:
    """Return the duration; raise `InvalidRequestError` if it is invalid."""
    wait = Duration()
    try:
        wait.FromNanoseconds(round(seconds * 1e9))
    except (OverflowError, TypeError, ValueError) as error:
        raise refuse("max_wait", f"{seconds!r} is not a duration in seconds: {error}") from error
    return wait


def refuse(field: str, description: str) -> InvalidRequestError:
    """Return the error for one field, as a server would report it."""
    return InvalidRequestError(f"{field}: {description}", (FieldViolation(field, description),))
