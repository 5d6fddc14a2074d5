"""Symbolicates the stacks of one request: recalled from memory, the rest looked up."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Final

from symbolon_server.cache.missing_modules import MissingTally
from symbolon_server.insertion.use_tally import UsedFrames
from symbolon_server.store.redis_store import RecentUse
from symbolon_server.symbolication.looking_up.lookup import CallLookup, MayWait, Patience
from symbolon_server.symbolication.looking_up.new_frames import (
    DecodeFrame,
    ModuleFrames,
    NewFrames,
)
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.queries import (
    ANYBODY,
    MAX_ANSWER_BYTES,
    NO_MODULE,
    AnswerTooLargeError,
    Caller,
    CallerGoneError,
    Diagnostics,
    EncodedStacks,
    ModuleCounts,
    ModuleOutcome,
    ModuleQuery,
    Symbolication,
)
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbolication.recalling.recall_many import (
    ManyFrames,
    read_many_frames,
    recall_many,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging import api_frames, wire

MANY_BYTES: Final = 6_000
"""Of encoded stacks: from some 500 frames on, it is faster to recall all frames at once."""

_LONGEST_FRAME_BYTES: Final = 19
"""Of a frame as clients write it. Longer frames are not read as columns, to save memory."""

DecodeStacks = Callable[[Iterable[bytes]], list[list[bytes]]]
"""Splits encoded `symbolon.v1.Stack`s into their encoded frames."""

NOTE_SECONDS: Final = 1.0
"""Time between two calls whose pages are noted as used."""

_STACK: Final = wire.tag(api_frames.STACKS, wire.LENGTH_DELIMITED)
"""Precedes the length of a stack in a response."""

_MOST_NOTED: Final = 2_000
"""Frames of such a call that are looked at."""


class RequestFrames:
    """The frames of encoded stacks, themselves encoded.

    Large requests are read as columns. They are split into frames only if that is needed: if not
    every frame is remembered.
    """

    def __init__(
        self, stacks: Sequence[bytes], decode_stacks: DecodeStacks, max_frames: int
    ) -> None:
        """Read encoded stacks; what `decode_stacks` raises passes through."""
        self._encoded = stacks
        self._decode_stacks = decode_stacks
        self._stacks: list[list[bytes]] | None = None
        self._many = None
        if MANY_BYTES <= sum(map(len, stacks)) <= max_frames * _LONGEST_FRAME_BYTES:
            self._many = read_many_frames(stacks)
        if self._many is None:
            self._stacks = decode_stacks(stacks)
        self.count = sum(map(len, self._stacks or ())) if self._many is None else len(self._many)
        """The number of frames."""

    def take_many(self) -> ManyFrames | None:
        """Return the frames of a large request, once; None for all other requests."""
        many, self._many = self._many, None  # a waiting call does not keep the columns
        return many

    @property
    def stacks(self) -> list[list[bytes]]:
        """Return the frames of each stack."""
        if self._stacks is None:
            self._stacks = self._decode_stacks(self._encoded)
        return self._stacks


class Symbolicator:
    """Answers requests. Calls share only `memory` and the tiers, which are thread-safe."""

    def __init__(
        self,
        tiers: Tiers,
        memory: ServerMemory,
        decode_frame: DecodeFrame,
        *,
        recent_use: RecentUse | None = None,
        missing_tally: MissingTally | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Answer from `memory`, then from `tiers`.

        Report used pages to `recent_use`, and missing modules to `missing_tally`.
        """
        self._tiers = tiers
        self._memory = memory
        self._decode_frame = decode_frame
        self._recent_use = recent_use
        self._missing_tally = missing_tally
        self._clock = clock
        self._next_note = clock()

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        frames: RequestFrames,
        wait_seconds: float,
        may_wait: MayWait,
        *,
        with_diagnostics: bool = False,
        caller: Caller = ANYBODY,
    ) -> Symbolication:
        """Return what is known of each frame of `frames` after at most `wait_seconds`.

        Raises `InvalidFrameError` for a frame that cannot be decoded or that names no module of
        `modules`, `AnswerTooLargeError`, and `CallerGoneError` at the next step once the caller is
        gone. Diagnostics cover single modules only `with_diagnostics`.
        """
        if caller.is_gone():
            raise CallerGoneError
        start = time.perf_counter()
        recall, new, missed = Recall(self._memory, modules), None, 0
        diagnostics = Diagnostics(frames=frames.count)
        is_noted = self._recent_use is not None and self._clock() >= self._next_note
        many = None if is_noted or with_diagnostics else frames.take_many()
        encoded = None if many is None else recall_many(recall, self._memory.frames.columns, many)
        stacks = frames.stacks if encoded is None else []
        answers: list[list[bytes | None]] = []
        if encoded is None:
            answers = [recall.find_all(stack) for stack in stacks]
            try:
                encoded = _encode(answers)
            except TypeError:  # some are None: not all frames are remembered
                missed = sum(found.count(None) for found in answers)
                new = NewFrames(self._decode_frame, recall, modules, caller.is_gone)
                for stack, found in zip(stacks, answers, strict=True):
                    new.read(stack, found)
                self._look_up(new, Patience(wait_seconds, may_wait, caller), diagnostics)
                encoded = _encode([new.fill(*stack) for stack in zip(stacks, answers, strict=True)])
        if encoded.length > MAX_ANSWER_BYTES:  # no message can hold it
            raise AnswerTooLargeError(encoded.length, MAX_ANSWER_BYTES)
        self._memory.frames.count(frames.count - missed, missed)
        self._memory.modules.count_hits(recall.peeked)
        results = {index: module.result for index, module in recall.used.items()}
        if new is not None:
            results |= new.results()
            diagnostics.outcomes = new.outcomes
        if new is not None or with_diagnostics:
            diagnostics.count_frames(frames.count, missed)
        if with_diagnostics:
            diagnostics.modules = self._count_modules(stacks, new, len(modules))
        if is_noted:
            self._next_note = self._clock() + NOTE_SECONDS  # two calls at once: no harm
            self._note_use(recall, modules, stacks, answers)
        diagnostics.seconds = time.perf_counter() - start
        return Symbolication(encoded, results, len(modules), diagnostics, is_recalled=not missed)

    def _look_up(self, new: NewFrames, patience: Patience, diagnostics: Diagnostics) -> None:
        """Answer the frames that are not remembered, and remember them."""
        modules = list(new.modules.values())
        if modules:
            CallLookup(self._tiers, self._memory, diagnostics).answer(modules, patience)
            self._note_missing(modules)
            self._note_answered(modules)
        new.finish(self._memory.frames)

    def _note_missing(self, modules: Sequence[ModuleFrames]) -> None:
        """Count this request for each of its modules that is missing."""
        missing = [m.asked.plain for m in modules if m.result().outcome is ModuleOutcome.MISSING]
        if missing and self._missing_tally is not None:
            self._missing_tally.note(missing)

    def _note_answered(self, modules: Sequence[ModuleFrames]) -> None:
        """Note the frames that were answered from pages."""
        if self._tiers.uses is not None:
            self._tiers.uses.note_frames(
                [
                    UsedFrames(module.module_id, module.held.directory, *module.answered())
                    for module in modules
                    if module.held is not None
                ]
            )

    def _count_modules(
        self, stacks: Sequence[Sequence[bytes]], new: NewFrames | None, modules: int
    ) -> list[ModuleCounts]:
        """Return where the answers for each module came from."""
        counts = [new.counts(index) if new else ModuleCounts() for index in range(modules)]
        for frame, times in Counter(chain.from_iterable(stacks)).items():
            index = self._decode_frame(frame).module_index
            if index != NO_MODULE:
                counts[index].frames += times
                counts[index].distinct_frames += 1
        return counts

    def _note_use(
        self,
        recall: Recall,
        modules: Sequence[ModuleQuery],
        stacks: Sequence[Sequence[bytes]],
        answers: Sequence[Sequence[bytes | None]],
    ) -> None:
        """Note the pages that answered this call; pages in constant use are noted soon enough."""
        pages: set[PageKey] = set()
        used: set[ModuleId] = set()
        frames: list[UsedFrames] = []
        both = zip(chain.from_iterable(stacks), chain.from_iterable(answers), strict=True)
        for frame, answer in islice(both, _MOST_NOTED):
            query = self._decode_frame(frame)
            held = recall.used.get(query.module_index)
            module_id = modules[query.module_index].module_id if held is not None else None
            if held is None or module_id is None:
                continue
            used.add(module_id)
            offset = query.module_offset - query.is_return_address
            if answer is not None:
                frames.append(UsedFrames(module_id, held.directory, [offset], [answer]))
            number = held.directory.find_page(offset)
            if number is not None:
                pages.add(PageKey(module_id, held.directory.generation, number))
                dictionary = held.directory.dictionary_key(module_id)
                pages.update(() if dictionary is None else (dictionary,))
        if self._recent_use is not None:
            self._recent_use.note(used, pages)
        if self._tiers.uses is not None:
            self._tiers.uses.note_frames(frames)


def _encode(stacks: Sequence[Sequence[bytes | None]]) -> EncodedStacks:
    """Return the stacks of these encoded frames; raise `TypeError` if one is None."""
    all_bytes = 0
    pieces: list[bytes] = []
    for frames in stacks:
        length = sum(map(len, frames))  # type: ignore[arg-type]  # this raises it
        pieces += _STACK, wire.varint(length)
        pieces += frames  # type: ignore[arg-type]  # none of them is None
        all_bytes += length
    return EncodedStacks(all_bytes, pieces)
