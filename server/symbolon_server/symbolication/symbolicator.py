"""Symbolicates the stacks of one request."""

import time
from collections.abc import Sequence
from itertools import count
from typing import Final

from symbolon_server.cache.recent_use import RecentUse
from symbolon_server.symbolication.held import Held
from symbolon_server.symbolication.lookup import LookupOfCall, MayWait, Tiers
from symbolon_server.symbolication.module_work import Lookup, ModuleWork
from symbolon_server.symbolication.queries import (
    NO_MODULE,
    Diagnostics,
    FrameOutcome,
    FrameQuery,
    ModuleCounts,
    ModuleOutcome,
    ModuleQuery,
    ModuleResult,
    Symbolication,
)
from symbolon_server.symbols import wire
from symbolon_server.symbols.module_ids import ModuleId

_NOTE_EVERY: Final = 16

_UNKNOWN_MODULE = wire.bytes_field(1, b"<unknown>")


class Symbolicator:
    """Answers requests; calls share only what is `held` and the tiers, which guard themselves."""

    def __init__(self, tiers: Tiers, held: Held, recent_use: RecentUse | None = None) -> None:
        """Answer from what is `held`, then from `tiers`; tell `recent_use` what is hot."""
        self._tiers = tiers
        self._held = held
        self._recent_use = recent_use
        self._calls = count()

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        stacks: Sequence[Sequence[FrameQuery]],
        wait_seconds: float,
        may_wait: MayWait,
    ) -> Symbolication:
        """Return what is known of each frame of `stacks` after at most `wait_seconds`.

        Each frame's module index is `NO_MODULE` or within `modules`.
        """
        start = time.perf_counter()
        diagnostics = Diagnostics()
        work_of = _group(modules, stacks)
        works = list(work_of.values())
        if works:
            lookup = LookupOfCall(self._tiers, self._held, diagnostics)
            lookup.answer(works, wait_seconds, may_wait)
            self._note_use(works)
        results = {module_id: work.result() for module_id, work in work_of.items()}
        for work in works:
            work.finish()
        encoded = [_encode_stack(stack, modules, work_of) for stack in stacks]
        _count(diagnostics, modules, stacks, work_of)
        diagnostics.seconds = time.perf_counter() - start
        return Symbolication(encoded, _results(modules, stacks, results), diagnostics)

    def _note_use(self, works: Sequence[ModuleWork]) -> None:
        """Note the pages of every sixteenth call: what is hot is among them soon enough."""
        if self._recent_use is not None and next(self._calls) % _NOTE_EVERY == 0:
            module_ids = [work.module_id for work in works if work.held is not None]
            self._recent_use.note(module_ids, set().union(*(work.used_pages() for work in works)))


def _group(
    modules: Sequence[ModuleQuery], stacks: Sequence[Sequence[FrameQuery]]
) -> dict[ModuleId, ModuleWork]:
    """Return the modules that frames name, each with its distinct lookups."""
    works: dict[ModuleId, ModuleWork] = {}
    by_index: list[dict[Lookup, bytes | None] | None] = [None] * len(modules)
    for stack in stacks:
        for index, offset, is_return_address in stack:
            if index == NO_MODULE or (module_id := modules[index].module_id) is None:
                continue
            lookups = by_index[index]
            if lookups is None:
                work = works.setdefault(module_id, ModuleWork(module_id))
                lookups = by_index[index] = work.frames
            lookups[offset, is_return_address] = None
    return works


def _encode_stack(
    stack: Sequence[FrameQuery],
    modules: Sequence[ModuleQuery],
    work_of: dict[ModuleId, ModuleWork],
) -> bytes:
    frames = []
    for index, offset, is_return_address in stack:
        if index == NO_MODULE:
            frames.append(wire.frame(_UNKNOWN_MODULE, offset, FrameOutcome.NO_MODULE))
            continue
        debug_file, module_id = modules[index]
        if module_id is None:
            module = wire.bytes_field(1, debug_file.encode())
            frames.append(wire.frame(module, offset, FrameOutcome.MODULE_MISSING))
        else:
            frame = work_of[module_id].frames[offset, is_return_address]
            frames.append(frame or b"")
    return b"".join(frames)


def _results(
    modules: Sequence[ModuleQuery],
    stacks: Sequence[Sequence[FrameQuery]],
    results: dict[ModuleId, ModuleResult],
) -> list[ModuleResult]:
    """Return what became of each module asked, whether frames name it or not."""
    referenced = {frame.module_index for stack in stacks for frame in stack}
    missing = ModuleResult(ModuleOutcome.MISSING, "it has no debug file or no debug id")
    not_referenced = ModuleResult(ModuleOutcome.NOT_REFERENCED)
    return [
        not_referenced
        if index not in referenced
        else missing
        if module.module_id is None
        else results[module.module_id]
        for index, module in enumerate(modules)
    ]


def _count(
    diagnostics: Diagnostics,
    modules: Sequence[ModuleQuery],
    stacks: Sequence[Sequence[FrameQuery]],
    work_of: dict[ModuleId, ModuleWork],
) -> None:
    """Complete the diagnostics of a call that has been answered."""
    diagnostics.frames = sum(map(len, stacks))
    diagnostics.distinct_frames = sum(len(work.frames) for work in work_of.values())
    for _, module_id in modules:
        work = work_of.get(module_id) if module_id is not None else None
        if work is not None:
            work.counts.distinct_frames = len(work.frames)
        diagnostics.modules.append(ModuleCounts() if work is None else work.counts)
    for stack in stacks:
        for frame in stack:
            if frame.module_index != NO_MODULE:
                diagnostics.modules[frame.module_index].frames += 1
