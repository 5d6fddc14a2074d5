"""Symbolicates the stacks of one request."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Final

from symbolon_server.cache.missing_modules import MissingTally
from symbolon_server.store.redis_store import RecentUse
from symbolon_server.symbolication.looking_up.caller import ANYBODY, Caller
from symbolon_server.symbolication.looking_up.lookup import LookupOfCall, MayWait, Patience, Tiers
from symbolon_server.symbolication.looking_up.module_work import ModuleWork
from symbolon_server.symbolication.looking_up.new_frames import DecodeFrame, NewFrames
from symbolon_server.symbolication.memory.many_frames import ManyFrames
from symbolon_server.symbolication.memory.queries import (
    MAX_ANSWER_BYTES,
    NO_MODULE,
    AnswerTooLargeError,
    Diagnostics,
    EncodedStacks,
    ModuleCounts,
    ModuleOutcome,
    ModuleQuery,
    ModuleResult,
    Symbolication,
)
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbolication.recalling.recall_many import recall_many
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging import api_frames

NOTE_SECONDS: Final = 1.0
"""How often the pages of a call are noted as used."""

_MOST_NOTED: Final = 2_000
"""Frames of such a call that are looked at."""


class Symbolicator:
    """Answers requests; calls share only what is `held` and the tiers, which guard themselves."""

    def __init__(
        self,
        tiers: Tiers,
        held: ServerMemory,
        decode_frame: DecodeFrame,
        *,
        recent_use: RecentUse | None = None,
        missing_tally: MissingTally | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Answer from what is `held`, then from `tiers`.

        Tell `recent_use` what is hot, and `missing_tally` what is missing.
        """
        self._tiers = tiers
        self._held = held
        self._decode_frame = decode_frame
        self._recent_use = recent_use
        self._missing_tally = missing_tally
        self._clock = clock
        self._next_note = clock()

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        stacks: Sequence[Sequence[bytes]],
        wait_seconds: float,
        may_wait: MayWait,
        *,
        with_diagnostics: bool = False,
        caller: Caller = ANYBODY,
    ) -> Symbolication:
        """Return what is known of each frame of `stacks` after at most `wait_seconds`.

        Frames are encoded `symbolon.v1.Frame`s; raises `InvalidFrameError` where one cannot be
        decoded or names a module outside of `modules`, `AnswerTooLargeError`, and
        `CallerGoneError` at the next step once the caller is gone. The diagnostics tell of single
        modules only where that is asked for.
        """
        start = time.perf_counter()
        recall = Recall(self._held, modules)
        answers = [recall.find_all(stack) for stack in stacks]
        new = NewFrames(self._decode_frame, recall, modules, caller.is_gone)
        diagnostics = Diagnostics()
        missed = 0
        try:
            encoded = _encode(answers)
        except TypeError:  # some are None: not all are remembered
            missed = sum(found.count(None) for found in answers)
            for stack, found in zip(stacks, answers, strict=True):
                new.read(stack, found)
            self._look_up(new, Patience(wait_seconds, may_wait, caller), diagnostics)
            encoded = _encode([new.fill(*stack) for stack in zip(stacks, answers, strict=True)])
            diagnostics.outcomes = new.outcomes
        frames = sum(map(len, stacks))
        _check_length(encoded)
        self._count(recall, frames, missed)
        diagnostics.count_frames(frames, missed)
        if with_diagnostics:
            diagnostics.modules = self._count_modules(stacks, new, len(modules))
        if self._is_time_to_note():
            self._next_note = self._clock() + NOTE_SECONDS  # two calls at once: no harm
            self._note_use(recall, modules, stacks)
        diagnostics.seconds = time.perf_counter() - start
        results = _results_of(recall) | new.results()
        return Symbolication(encoded, results, len(modules), diagnostics, is_recalled=not missed)

    def recall(self, modules: Sequence[ModuleQuery], frames: ManyFrames) -> Symbolication | None:
        """Return the answer to many frames at once where all are remembered.

        None where not, or where the pages of a call are to be noted: `symbolicate` does that.
        Raises `AnswerTooLargeError`.
        """
        if self._is_time_to_note():
            return None
        recall = Recall(self._held, modules)
        encoded = recall_many(recall, self._held.frames.columns, frames)
        if encoded is None:
            return None
        _check_length(encoded)
        self._count(recall, len(frames), missed=0)
        diagnostics = Diagnostics()
        diagnostics.count_frames(len(frames), 0)
        results = _results_of(recall)
        return Symbolication(encoded, results, len(modules), diagnostics, is_recalled=True)

    def _count(self, recall: Recall, frames: int, missed: int) -> None:
        """Count what was remembered."""
        self._held.frames.count(frames - missed, missed)
        self._held.modules.count_hits(recall.peeked)

    def _look_up(
        self,
        new: NewFrames,
        patience: Patience,
        diagnostics: Diagnostics,
    ) -> None:
        """Answer the frames that are not remembered, and remember them."""
        works = list(new.works.values())
        if works:
            LookupOfCall(self._tiers, self._held, diagnostics).answer(works, patience)
            self._note_missing(works)
        new.finish(self._held.frames)

    def _note_missing(self, works: Sequence[ModuleWork]) -> None:
        """Count this request for those of its modules that are missing."""
        missing = [w.asked for w in works if w.result().outcome is ModuleOutcome.MISSING]
        if missing and self._missing_tally is not None:
            self._missing_tally.note(missing)

    def _count_modules(
        self, stacks: Sequence[Sequence[bytes]], new: NewFrames, modules: int
    ) -> list[ModuleCounts]:
        """Return where the answers for each module came from."""
        counts = [new.counts(index) for index in range(modules)]
        for frame, times in Counter(chain.from_iterable(stacks)).items():
            index = self._decode_frame(frame).module_index
            if index != NO_MODULE:
                counts[index].frames += times
                counts[index].distinct_frames += 1
        return counts

    def _is_time_to_note(self) -> bool:
        """Tell whether this call is the one in a while whose pages are noted."""
        return self._recent_use is not None and self._clock() >= self._next_note

    def _note_use(
        self, recall: Recall, modules: Sequence[ModuleQuery], stacks: Sequence[Sequence[bytes]]
    ) -> None:
        """Note the pages that answered this call; what is hot is noted soon enough."""
        pages: set[PageKey] = set()
        used: set[ModuleId] = set()
        for frame in islice(chain.from_iterable(stacks), _MOST_NOTED):
            query = self._decode_frame(frame)
            held = recall.used.get(query.module_index)
            module_id = modules[query.module_index].module_id if held is not None else None
            if held is None or module_id is None:
                continue
            used.add(module_id)
            number = held.directory.find_page(max(query.module_offset - 1, 0))
            if number is not None:
                pages.add(PageKey(module_id, held.directory.generation, number))
                dictionary = held.directory.dictionary_key(module_id)
                pages.update(() if dictionary is None else (dictionary,))
        if self._recent_use is not None:
            self._recent_use.note(used, pages)


def _encode(stacks: Sequence[Sequence[bytes | None]]) -> EncodedStacks:
    """Return the stacks of these encoded frames; raise `TypeError` where one is None."""
    all_bytes = 0
    pieces: list[bytes] = []
    for frames in stacks:
        length = sum(map(len, frames))  # type: ignore[arg-type]  # that raises it
        pieces.append(api_frames.stack_start(length))
        pieces += frames  # type: ignore[arg-type]  # none of them is None
        all_bytes += length
    return EncodedStacks(all_bytes, pieces)


def _check_length(encoded: EncodedStacks) -> None:
    """Raise `AnswerTooLargeError` where no message can hold these stacks."""
    if encoded.length > MAX_ANSWER_BYTES:
        raise AnswerTooLargeError(encoded.length, MAX_ANSWER_BYTES)


def _results_of(recall: Recall) -> dict[int, ModuleResult]:
    """Return the results of the modules whose frames were remembered."""
    return {index: module.result for index, module in recall.used.items()}
