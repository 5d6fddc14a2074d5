"""The frames of one call that are not remembered: decoded, grouped by module and answered."""

from collections.abc import Callable, Sequence
from typing import Final

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.symbolication.looking_up.tiers import NOT_MADE, TOO_SMALL
from symbolon_server.symbolication.memory.queries import (
    MAX_ANSWER_BYTES,
    NO_MODULE,
    NO_MODULE_ID,
    AnswerTooLargeError,
    FrameOutcome,
    FrameQuery,
    InvalidFrameError,
    IsGone,
    ModuleCounts,
    ModuleOutcome,
    ModuleQuery,
    ModuleResult,
    in_steps,
    is_never_gone,
    refuse_gone,
)
from symbolon_server.symbolication.memory.server_memory import (
    FrameMemory,
    FrameTable,
    RememberedModule,
)
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging import api_frames, octets
from symbolon_server.symbols.paging.linkage_names import divide_names
from symbolon_server.symbols.paging.reader import Page

PENDING_RETRY_SECONDS: Final = 1.0
"""When to retry a module whose ingest has not ended."""

_FAILED: Final = {
    FailureKind.MISSING: (ModuleOutcome.MISSING, FrameOutcome.MODULE_MISSING),
    FailureKind.UNAVAILABLE: (ModuleOutcome.UNAVAILABLE, FrameOutcome.MODULE_UNAVAILABLE),
    FailureKind.MALFORMED: (ModuleOutcome.MALFORMED, FrameOutcome.MODULE_MALFORMED),
}

# Literals of `FrameOutcome`, which are compiled in: an enum is several times as slow to compare.
_SYMBOLICATED: Final = 1
_NO_SYMBOL: Final = 2

_UNKNOWN_MODULE: Final = api_frames.module_field(b"<unknown>")

Lookup = tuple[int, bool]
"""A module offset as requested, and whether it is a return address."""

DecodeFrame = Callable[[bytes], FrameQuery]
"""Decodes a `symbolon.v1.Frame`; raises `InvalidFrameError` if the bytes are not one."""

_Answered = dict[FrameTable, list[tuple[bytes, bytes]]]
"""By module, frames as they were requested and as they were answered."""


def failed_result(failure: Failure) -> ModuleResult:
    """Return the result of a module whose ingest failed."""
    outcome, _ = _FAILED[failure.kind]
    return ModuleResult(outcome, failure.detail, failure.retry_after_seconds)


class ModuleFrames:
    """The frames of one module, each distinct lookup once; belongs to one call's thread."""

    def __init__(
        self,
        asked: AskedModule,
        frames: dict[Lookup, bytes | None] | None = None,
        held: RememberedModule | None = None,
    ) -> None:
        """Look these frames up, in `held` if that is known already."""
        self.asked = asked
        self.module_id: ModuleId = asked.module_id
        """The id that identifies the module in all tiers."""

        self.has_linkage_names: bool = asked.module_id.has_linkage_names
        self.frames: dict[Lookup, bytes | None] = {} if frames is None else frames
        """The encoded frame of each lookup, None until it is answered."""

        self.held = held
        """The module as memory, store or spool has it."""

        self.failure: Failure | None = None
        self.rounds = 0
        """How many of its ingests have ended during the call."""

        self.is_evicted = False
        """The store evicted it before the call could read it."""

        self.encoded_bytes = 0
        """Of the frames that were answered from pages."""

        self.pages = 0
        self.is_ingest_requested = False
        self.waited_seconds: float | None = None

    @property
    def generation(self) -> str:
        """The generation of the pages that answer, empty if there are none."""
        return "" if self.held is None else self.held.directory.generation

    def hold(self, module: RememberedModule) -> bool:
        """Answer from `module` from now on; return whether it is of another generation.

        If so, all earlier answers are dropped: one call never mixes two generations.
        """
        is_other = module.directory.generation != self.generation
        self.held = module
        if is_other:
            self.frames = dict.fromkeys(self.frames)
        return is_other

    def is_answered(self) -> bool:
        """Return whether no lookup is without an answer."""
        for frame in self.frames.values():  # noqa: SIM110 # a generator takes longer
            if frame is None:
                return False
        return True

    def unanswered(self) -> list[Lookup]:
        """Return the lookups without an answer."""
        return [lookup for lookup, frame in self.frames.items() if frame is None]

    def answered(self) -> tuple[list[int], list[bytes]]:
        """Return the module offsets that were looked up and answered, and their frames."""
        offsets: list[int] = []
        frames: list[bytes] = []
        for (offset, is_return), frame in self.frames.items():
            if frame is not None:
                offsets.append(offset - is_return)
                frames.append(frame)
        return offsets, frames

    def wanted_offsets(self) -> list[int]:
        """Return the module offsets of the lookups without an answer."""
        offsets = [offset - is_return for offset, is_return in self.unanswered()]
        return [offset for offset in offsets if offset >= 0]

    def lookups_by_page(self) -> dict[PageKey, list[Lookup]]:
        """Return the unanswered lookups by the page that answers them.

        Offsets before the first page are answered here: no symbol covers them.
        """
        assert self.held is not None  # noqa: S101 - the caller has read the directory
        first_offsets = self.held.first_offsets
        pages: dict[int, list[Lookup]] = {}
        for lookup in self.unanswered():
            number = octets.find_right(first_offsets, lookup[0] - lookup[1]) - 1
            if number < 0:
                self._answer_without_symbol(lookup)
            elif number in pages:
                pages[number].append(lookup)
            else:
                pages[number] = [lookup]
        module_id, generation = self.module_id, self.held.directory.generation
        return {PageKey(module_id, generation, number): some for number, some in pages.items()}

    def answer_if_consistent(self, page: Page, lookups: list[Lookup]) -> bool:
        """Answer `lookups`, all of which `page` covers.

        Returns False, with none of them answered, if the numbers in the page are inconsistent.
        """
        try:
            self.answer_from(page, lookups)
        except DamagedPageError:
            self.frames.update(dict.fromkeys(lookups))
            return False
        return True

    def answer_from(self, page: Page, lookups: list[Lookup]) -> None:
        """Answer `lookups`, all of which `page` covers.

        Raises `DamagedPageError`, also if the page covers other offsets, and
        `AnswerTooLargeError` before the answer is joined, to limit the memory it takes.
        """
        assert self.held is not None  # noqa: S101 - it named the page
        module_field, encoded_bytes = self.held.module_field, self.encoded_bytes
        has_linkage_names = self.has_linkage_names
        for lookup in lookups:
            module_offset, is_return_address = lookup
            row = page.find_row(module_offset - is_return_address)
            if row < 0:
                raise DamagedPageError("the page starts at another offset than its directory says")
            pieces = api_frames.frame_start(module_field, module_offset)
            before = len(pieces)
            start = page.answer_pieces(row, pieces)
            if start is None:
                self._answer_without_symbol(lookup)
                continue
            if has_linkage_names:
                pieces[before:] = [divide_names(b"".join(pieces[before:]))]
            frame = api_frames.join_frame(pieces, _SYMBOLICATED, module_offset - start)
            self.frames[lookup] = frame
            encoded_bytes += len(frame)
            if encoded_bytes > MAX_ANSWER_BYTES:
                raise AnswerTooLargeError(encoded_bytes, MAX_ANSWER_BYTES)
        self.encoded_bytes = encoded_bytes

    def _answer_without_symbol(self, lookup: Lookup) -> None:
        assert self.held is not None  # noqa: S101 - only a directory tells that
        self.frames[lookup] = api_frames.frame(self.held.module_field, lookup[0], _NO_SYMBOL)

    def result(self) -> ModuleResult:
        """Return the result of the module at the end of the call."""
        if self.failure is not None:
            return failed_result(self.failure)
        if self.held is None or not self.is_answered():
            return ModuleResult(ModuleOutcome.PENDING, self._why_evicted(), PENDING_RETRY_SECONDS)
        return self.held.result

    def _why_evicted(self) -> str:
        if not self.is_evicted:
            return ""
        return NOT_MADE if self.has_linkage_names else TOO_SMALL

    def was_put_in_vain(self) -> bool:
        """Return whether an ingest stored it during the call, but it could not be read.

        One ingest may store other pages than the call needs, but it always stores a directory.
        """
        return self.rounds > (self.held is not None) and not self.is_answered()

    def frame(self, lookup: Lookup) -> bytes:
        """Return the encoded frame that answers `lookup`, or that says why there is no answer."""
        answer = self.frames[lookup]
        if answer is not None:
            return answer
        outcome = FrameOutcome.MODULE_PENDING
        if self.failure is not None:
            _, outcome = _FAILED[self.failure.kind]
        module = api_frames.module_field(self.module_id.debug_file.encode())
        if self.held is not None:
            module = self.held.module_field
        return api_frames.frame(module, lookup[0], outcome)


class NewFrames:
    """The frames of one call that are not remembered; belongs to the call's thread.

    `read` them, have `modules` looked up, `finish`, then `fill` the answers in. Each step raises
    `CallerGoneError` once the caller is gone.
    """

    def __init__(
        self,
        decode_frame: DecodeFrame,
        recall: Recall,
        queries: Sequence[ModuleQuery],
        is_gone: IsGone = is_never_gone,
    ) -> None:
        """Take frames in the modules `queries` that `recall` did not find."""
        self._is_gone = is_gone
        self._decode_frame = decode_frame
        self._recall = recall
        self._with_old: set[int] = recall.indexes_with_old()
        self._queries = queries
        self._answers: dict[bytes, bytes] = {}
        self._lookups: dict[bytes, tuple[ModuleFrames, Lookup, bytes | None]] = {}
        """By frame; with the bytes to remember the answer by, None for a frame in a rare form."""

        self._by_index: dict[int, ModuleFrames | None] = {}
        self.modules: dict[ModuleId, ModuleFrames] = {}
        """The modules to look up."""

        self.outcomes: dict[int, int] = {}
        """How many of the new frames, repeated ones included, had each `FrameOutcome`."""

    def read(self, frames: Sequence[bytes], answers: Sequence[bytes | None]) -> None:
        """Read those of `frames` that have no answer.

        Raises `InvalidFrameError` for a frame that cannot be decoded or that names no module.
        """
        new = [frame for frame, answer in zip(frames, answers, strict=True) if answer is None]
        for some in in_steps(new, self._is_gone):
            for frame in some:
                if frame not in self._answers and frame not in self._lookups:
                    self._read(frame)

    def _read(self, frame: bytes) -> None:
        read = api_frames.read_asked_frame(frame)
        if read is None:
            index, offset, is_return_address = self._decode_frame(frame)
            asked: bytes | None = None
        else:
            start, index, offset, is_return_address = read
            asked = frame[start:]
        old = None
        if asked is not None and index in self._with_old:
            old = self._recall.find_old(index, asked)
        if old is not None:
            self._answers[frame] = old
        elif index == NO_MODULE:
            self._answers[frame] = api_frames.frame(_UNKNOWN_MODULE, offset, FrameOutcome.NO_MODULE)
        elif index >= len(self._queries):
            raise InvalidFrameError("a frame's module index is out of range")
        elif (module := self._by_index.get(index) or self._add_module(index)) is not None:
            lookup = offset, is_return_address
            module.frames[lookup] = None
            self._lookups[frame] = module, lookup, asked
        else:
            name = api_frames.module_field(self._queries[index].debug_file.encode())
            self._answers[frame] = api_frames.frame(name, offset, FrameOutcome.MODULE_MISSING)

    def _add_module(self, index: int) -> ModuleFrames | None:
        """Return the module at `index`, None if it has no id to look it up by.

        The call may name one module at several indexes.
        """
        asked, module = self._queries[index].asked, None
        if asked is not None:
            module = self.modules.get(asked.module_id)
            if module is None:
                module = self.modules[asked.module_id] = ModuleFrames(asked)
            else:
                module.asked = module.asked.or_as(asked)
        self._by_index[index] = module
        return module

    def finish(self, memory: FrameMemory) -> None:
        """Take the answers of all lookups, and remember those that stay true."""
        answered: _Answered = {}
        for some in in_steps(list(self._lookups), self._is_gone):
            for frame in some:
                self._finish(frame, answered)
        for table, frames in answered.items():
            memory.put_many(table, frames)

    def _finish(self, frame: bytes, answered: _Answered) -> None:
        """Take the answer of a lookup, and note it if it is to be remembered."""
        module, lookup, asked = self._lookups[frame]
        answer = module.frames[lookup]
        if answer is None:
            self._answers[frame] = module.frame(lookup)
            return
        self._answers[frame] = answer
        if asked is not None and module.held is not None:
            table = module.held.frames
            if table not in answered:
                answered[table] = []
            answered[table].append((asked, answer))

    def fill(self, frames: Sequence[bytes], answers: Sequence[bytes | None]) -> list[bytes]:
        """Return the answers of `frames`, remembered and new."""
        refuse_gone(self._is_gone)
        filled: list[bytes] = []
        symbolicated = 0
        for frame, answer in zip(frames, answers, strict=True):
            if answer is None:
                answer = self._answers[frame]  # noqa: PLW2901 # the one that was to be found
                outcome = api_frames.outcome_of(answer)
                if outcome == _SYMBOLICATED:
                    symbolicated += 1
                else:
                    self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
            filled.append(answer)
        if symbolicated:
            self.outcomes[_SYMBOLICATED] = self.outcomes.get(_SYMBOLICATED, 0) + symbolicated
        return filled

    def counts(self, index: int) -> ModuleCounts:
        """Return what the lookup of a module's new frames cost."""
        module = self._by_index.get(index)
        if module is None:
            return ModuleCounts()
        return ModuleCounts(
            pages=module.pages,
            generation=module.generation,
            is_ingest_requested=module.is_ingest_requested,
            waited_seconds=module.waited_seconds,
        )

    def results(self) -> dict[int, ModuleResult]:
        """Return the results of the modules of new frames, by module index."""
        return {
            index: NO_MODULE_ID if module is None else module.result()
            for index, module in self._by_index.items()
        }
