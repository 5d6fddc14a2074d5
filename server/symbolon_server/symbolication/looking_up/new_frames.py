"""The frames of one call that are not remembered: decoded, grouped by module and answered."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from symbolon_server.symbolication.looking_up.caller import (
    IsGone,
    in_steps,
    is_never_gone,
    refuse_gone,
)
from symbolon_server.symbolication.looking_up.module_work import Lookup, ModuleWork
from symbolon_server.symbolication.memory.frame_memory import FrameMemory, FrameTable
from symbolon_server.symbolication.memory.queries import (
    NO_MODULE,
    NO_MODULE_ID,
    FrameOutcome,
    FrameQuery,
    InvalidFrameError,
    ModuleCounts,
    ModuleQuery,
    ModuleResult,
)
from symbolon_server.symbolication.recalling.recall import Recall, what_is_asked
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging import api_frames

DecodeFrame = Callable[[bytes], FrameQuery]
"""Decodes a `symbolon.v1.Frame`; raises `InvalidFrameError` where it is none."""

Remember = dict[FrameTable, list[tuple[bytes, bytes]]]
"""By module, frames as they were asked and as they were answered."""

_UNKNOWN_MODULE: Final = api_frames.module_field(b"<unknown>")


class NewFrames:
    """Each distinct encoded frame once, with its answer as soon as there is one.

    Belongs to one call and its thread.
    """

    def __init__(
        self,
        decode_frame: DecodeFrame,
        recall: Recall,
        modules: Sequence[ModuleQuery],
        is_gone: IsGone = is_never_gone,
    ) -> None:
        """Take frames of `modules` that `recall` did not find.

        What goes through them raises `CallerGoneError` once the caller is gone.
        """
        self._is_gone = is_gone
        self._decode_frame = decode_frame
        self._recall = recall
        self._modules = modules
        self._answers: dict[bytes, bytes] = {}
        self._lookups: dict[bytes, tuple[ModuleWork, Lookup]] = {}
        self._results: dict[int, ModuleWork | None] = {}
        self.works: dict[ModuleId, ModuleWork] = {}
        """The modules that have to be looked up."""

        self.outcomes: dict[int, int] = {}
        """How many of the new frames, each as often as it was asked, had each `FrameOutcome`."""

    def read(self, frames: Sequence[bytes], answers: Sequence[bytes | None]) -> None:
        """Read those of `frames` that have no answer.

        Raises `InvalidFrameError` for one that cannot be decoded or names no module of the call.
        """
        new = [frame for frame, answer in zip(frames, answers, strict=True) if answer is None]
        for some in in_steps(new, self._is_gone):
            for frame in some:
                if frame not in self._answers and frame not in self._lookups:
                    self._read(frame)

    def _read(self, frame: bytes) -> None:
        old = self._recall.find_old(frame)
        if old is not None:
            self._answers[frame] = old
            return
        query = self._decode_frame(frame)
        if query.module_index == NO_MODULE:
            self._answers[frame] = api_frames.frame(
                _UNKNOWN_MODULE, query.module_offset, FrameOutcome.NO_MODULE
            )
        elif query.module_index < len(self._modules):
            self._ask(frame, query, self._modules[query.module_index])
        else:
            raise InvalidFrameError("a frame's module index is out of range")

    def _ask(self, frame: bytes, query: FrameQuery, module: ModuleQuery) -> None:
        work = self._results.get(query.module_index) or self._begin(query.module_index, module)
        if work is None:
            self._answers[frame] = api_frames.frame(
                api_frames.module_field(module.debug_file.encode()),
                query.module_offset,
                FrameOutcome.MODULE_MISSING,
            )
            return
        lookup = query.module_offset, query.is_return_address
        work.frames[lookup] = None
        self._lookups[frame] = work, lookup

    def _begin(self, index: int, module: ModuleQuery) -> ModuleWork | None:
        """Return the work of the module at `index`, None where nobody can be asked for it.

        The call may have one module at several places.
        """
        asked, work = module.asked, None
        if asked is not None:
            work = self.works.setdefault(asked.module_id, ModuleWork(asked))
            work.asked = work.asked.or_as(asked)
        self._results[index] = work
        return work

    def finish(self, memory: FrameMemory) -> None:
        """Take the answers of all lookups, and remember those that stay true."""
        remember: Remember = {}
        for some in in_steps(list(self._lookups), self._is_gone):
            for frame in some:
                self._finish(frame, remember)
        for table, frames in remember.items():
            memory.put_many(table, frames)

    def _finish(self, frame: bytes, remember: Remember) -> None:
        """Take the answer of a lookup, and note it where it is to be remembered."""
        work, lookup = self._lookups[frame]
        answer = work.frames[lookup]
        if answer is not None and work.held is not None:
            asked = what_is_asked(frame)
            if asked == api_frames.asked_frame(*lookup):
                remember.setdefault(work.held.frames, []).append((asked, answer))
        self._answers[frame] = work.frame(lookup)

    def fill(self, frames: Sequence[bytes], answers: Sequence[bytes | None]) -> list[bytes]:
        """Return the answers of `frames`, those that were remembered and the new ones."""
        refuse_gone(self._is_gone)
        return [
            self._take(frame) if answer is None else answer
            for frame, answer in zip(frames, answers, strict=True)
        ]

    def _take(self, frame: bytes) -> bytes:
        answer = self._answers[frame]
        outcome = api_frames.outcome_of(answer)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        return answer

    def counts(self, index: int) -> ModuleCounts:
        """Return what it cost to look up the new frames of a module."""
        work = self._results.get(index)
        if work is None:
            return ModuleCounts()
        work.counts.generation = work.generation
        return replace(work.counts)

    def results(self) -> dict[int, ModuleResult]:
        """Return what became of the modules that new frames name, by module index."""
        return {
            index: NO_MODULE_ID if work is None else work.result()
            for index, work in self._results.items()
        }
