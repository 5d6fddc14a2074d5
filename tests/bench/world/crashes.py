"""Requests like those for crash reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.bench.world.symbol_files import SymbolFile

STACK_FRAMES: Final = 40
"""Frames of one stack, the middle of the 20 to 60 that crash reports have."""

_SHARED_FRAMES: Final = 4
"""Outermost frames that all stacks have in common: a thread's start."""

_STAYS: Final = 0.7
"""How likely a frame's caller is in the same module."""


@dataclass(frozen=True, slots=True)
class CodeOffsets:
    """A module, and module offsets to take frames from."""

    file: SymbolFile
    offsets: Sequence[int]


def sample_modules(
    files: Sequence[SymbolFile], modules: int, frames: int, random: Random
) -> list[CodeOffsets]:
    """Return `modules` modules: the files themselves, then the smaller ones under other ids."""
    small = sorted(files, key=lambda file: file.size)[:2]
    chosen = [*files[:modules]]
    chosen += [
        small[number % len(small)].with_another_id(random)
        for number in range(modules - len(chosen))
    ]
    each = 2 * frames // modules + 20
    return [CodeOffsets(file, file.sample_offsets(each, random)) for file in chosen]


def crash(
    modules: Sequence[CodeOffsets], frames: int, random: Random, *, unreferenced: int = 0
) -> SymbolicateRequest:
    """Return a request with stacks of `STACK_FRAMES` frames that walk through the modules.

    `unreferenced` further modules are named by no frame, as most modules of a process are.
    """
    request = SymbolicateRequest(modules=[module_message(code.file.module_id) for code in modules])
    for number in range(unreferenced):
        other = ModuleId(f"libunreferenced{number}.so", f"{random.getrandbits(128):032X}0")
        request.modules.append(module_message(other))
    shared = _walk(modules, _SHARED_FRAMES, random)
    for start in range(0, frames, STACK_FRAMES):
        count = min(STACK_FRAMES, frames - start)
        own = _walk(modules, count, random)
        stack = [*own[:-_SHARED_FRAMES], *shared] if count == STACK_FRAMES else own
        stack[0].is_return_address = False
        request.stacks.append(stack_pb2.Stack(frames=stack))
    return request


def module_message(module_id: ModuleId) -> module_pb2.Module:
    """Return a module as requests have it."""
    return module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id)


def _walk(modules: Sequence[CodeOffsets], count: int, random: Random) -> list[stack_pb2.Frame]:
    frames = []
    index = pick_module(len(modules), random)
    for _ in range(count):
        if random.random() > _STAYS:
            index = pick_module(len(modules), random)
        offset = random.choice(modules[index].offsets) + 1
        frames.append(
            stack_pb2.Frame(module_index=index, module_offset=offset, is_return_address=True)
        )
    return frames


def pick_module(modules: int, random: Random) -> int:
    """Return a module; the first, which are the largest, have the most frames."""
    return int(modules * random.random() ** 2)
