"""Where frames are looked up: the module and the offset that an address means."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from symbolon_server.gateway.symbolicator.fields import MAX_ADDRESS
from symbolon_server.gateway.symbolicator.processors import Processor
from symbolon_server.gateway.symbolicator.requests import (
    GivenFrame,
    GivenModule,
    GivenStack,
    StackRequest,
)

_CRASH_SIGNALS: Final = frozenset({4, 10, 11})
"""SIGILL, SIGBUS (as on macOS) and SIGSEGV."""


class Place(NamedTuple):
    """Where one frame is looked up."""

    module: int | None
    """The index of its module; `None` if its address is in none."""

    offset: int | None
    """The module offset of its instruction; `None` if the address is not one of the module."""


_NOWHERE = Place(None, None)


class ModuleMap:
    """The modules of a request by address, as Symbolicator finds them."""

    def __init__(self, modules: Sequence[GivenModule]) -> None:
        self._modules = modules
        self._order = sorted(range(len(modules)), key=lambda index: modules[index].start)
        self._starts = [modules[index].start for index in self._order]

    def find(self, address: int) -> int | None:
        """Return the index of the module with this address: the last one that starts before it.

        The address just after a module is in it: it may be a return address.
        """
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        index = self._order[at]
        module = self._modules[index]
        end = module.start + module.size
        if end > MAX_ADDRESS or (module.size and address > end):
            return None
        return index


def find_places(request: StackRequest, processors: Sequence[Processor]) -> list[list[Place]]:
    """Return the place of each frame; `processors` are those of the modules."""
    modules = ModuleMap(request.modules)
    return [list(_find_in(stack, request, modules, processors)) for stack in request.stacks]


def _find_in(
    stack: GivenStack, request: StackRequest, modules: ModuleMap, processors: Sequence[Processor]
) -> Iterator[Place]:
    others = True if any(frame.is_adjusted is not None for frame in stack.frames) else None
    for number, frame in enumerate(stack.frames):
        index = _find_module(frame, modules, len(processors))
        if index is None:
            yield _NOWHERE
            continue
        is_adjusted = others if frame.is_adjusted is None else frame.is_adjusted
        innermost = stack if number == 0 else None
        adjustment = _Adjustment(is_adjusted, innermost, request.signal)
        module = request.modules[index]
        yield Place(index, _find_offset(frame, module, processors[index], adjustment))


def _find_module(frame: GivenFrame, modules: ModuleMap, count: int) -> int | None:
    if frame.module is None:
        return modules.find(frame.address)
    return frame.module if frame.module < count else None


class _Adjustment(NamedTuple):
    """What decides whether an address is moved back."""

    is_adjusted: bool | None
    innermost: GivenStack | None
    """The stack of which this is the innermost frame; `None` if it is another frame."""

    signal: int | None

    def is_needed(self, address: int, processor: Processor) -> bool:
        """Return whether the address is one that a call returns to.

        The innermost address is, if it is not where a crash was: reporters on macOS remove the
        frames of their own signal functions.
        """
        if self.is_adjusted is not None:
            return self.is_adjusted
        if self.innermost is None:
            return True
        crashed_at = self.innermost.read_register(processor.instruction_pointer)
        is_elsewhere = crashed_at is not None and crashed_at != address
        return is_elsewhere and self.signal in _CRASH_SIGNALS


def _find_offset(
    frame: GivenFrame, module: GivenModule, processor: Processor, adjustment: _Adjustment
) -> int | None:
    is_relative = frame.module is not None
    if not module.has_addresses:
        return frame.address if is_relative else None
    address = frame.address + module.start if is_relative else frame.address
    if address > MAX_ADDRESS:
        return frame.address
    instruction = address - address % processor.alignment
    if adjustment.is_needed(address, processor):
        instruction -= processor.call_bytes
    return instruction - module.start if instruction >= module.start else None
