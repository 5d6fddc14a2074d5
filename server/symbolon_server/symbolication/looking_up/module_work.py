"""One module within one call: what is asked of it and what has been answered."""

from dataclasses import dataclass, field
from typing import Final

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.symbolication.looking_up.small_store import TOO_SMALL
from symbolon_server.symbolication.memory.queries import (
    MAX_ANSWER_BYTES,
    AnswerTooLargeError,
    FrameOutcome,
    ModuleCounts,
    ModuleOutcome,
    ModuleResult,
)
from symbolon_server.symbolication.memory.server_memory import RememberedModule
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.reader import Page

PENDING_RETRY_SECONDS: Final = 1.0
"""When a caller should ask again for a module whose ingest goes on."""

FAILED: Final = {
    FailureKind.MISSING: (ModuleOutcome.MISSING, FrameOutcome.MODULE_MISSING),
    FailureKind.UNAVAILABLE: (ModuleOutcome.UNAVAILABLE, FrameOutcome.MODULE_UNAVAILABLE),
    FailureKind.MALFORMED: (ModuleOutcome.MALFORMED, FrameOutcome.MODULE_MALFORMED),
}

Lookup = tuple[int, bool]
"""A module offset as asked, and whether it is a return address."""


@dataclass(slots=True)
class ModuleWork:
    """One module, with each distinct lookup once; belongs to one call and its thread."""

    asked: AskedModule
    frames: dict[Lookup, bytes | None] = field(default_factory=dict)
    """The encoded frame of each lookup, None while it has no answer."""

    held: RememberedModule | None = None
    failure: Failure | None = None
    rounds: int = 0
    """How many ingests of it have ended during the call."""

    is_forgotten: bool = False
    """The store forgot it before it was read."""

    counts: ModuleCounts = field(default_factory=ModuleCounts)
    encoded_bytes: int = 0
    """Of the frames that pages answered."""

    @property
    def module_id(self) -> ModuleId:
        """The id that the module is held by."""
        return self.asked.module_id

    @property
    def generation(self) -> str:
        """The generation of the pages that answer; empty where none does."""
        return "" if self.held is None else self.held.directory.generation

    def hold(self, module: RememberedModule) -> bool:
        """Answer from `module` from now on; return whether it is of another generation.

        Then nothing is answered yet: one call never mixes what two generations say.
        """
        is_other = module.directory.generation != self.generation
        self.held = module
        if is_other:
            self.frames = dict.fromkeys(self.frames)
        return is_other

    def unanswered(self) -> list[Lookup]:
        """Return the lookups that have no answer yet."""
        return [lookup for lookup, frame in self.frames.items() if frame is None]

    def wanted_offsets(self) -> list[int]:
        """Return the module offsets that are looked up for what has no answer yet."""
        offsets = [offset - is_return for offset, is_return in self.unanswered()]
        return [offset for offset in offsets if offset >= 0]

    def lookups_by_page(self) -> dict[PageKey, list[Lookup]]:
        """Return which unanswered lookups each page of the held module answers.

        What lies before the first page is answered here: nothing covers it.
        """
        assert self.held is not None  # noqa: S101 - the caller has asked for the directory
        directory = self.held.directory
        pages: dict[int, list[Lookup]] = {}
        for lookup in self.unanswered():
            number = directory.find_page(lookup[0] - lookup[1])
            if number is None:
                self._answer_without_symbol(lookup)
            else:
                pages.setdefault(number, []).append(lookup)
        generation = directory.generation
        return {PageKey(self.module_id, generation, number): pages[number] for number in pages}

    def answer_from(self, page: Page, lookups: list[Lookup]) -> None:
        """Answer `lookups`, all of which `page` covers.

        Raises `DamagedPageError`, also where the page covers something else, and
        `AnswerTooLargeError` before the answer is joined, so that it does not take all memory.
        """
        assert self.held is not None  # noqa: S101 - it named the page
        for lookup in lookups:
            row = page.find_row(lookup[0] - lookup[1])
            if row < 0:
                raise DamagedPageError("a page that begins elsewhere than its directory says")
            answer = page.encoded_answer(row)
            if answer is None:
                self._answer_without_symbol(lookup)
                continue
            start, fields = answer
            frame = self.frames[lookup] = api_frames.frame(
                self.held.module_field,
                lookup[0],
                FrameOutcome.SYMBOLICATED,
                fields,
                lookup[0] - start,
            )
            self.encoded_bytes += len(frame)
            if self.encoded_bytes > MAX_ANSWER_BYTES:
                raise AnswerTooLargeError(self.encoded_bytes, MAX_ANSWER_BYTES)

    def take_back(self, lookups: list[Lookup]) -> None:
        """Leave `lookups` without an answer: what answered them is not to be believed."""
        self.frames.update(dict.fromkeys(lookups))

    def _answer_without_symbol(self, lookup: Lookup) -> None:
        assert self.held is not None  # noqa: S101 - without it nothing is known
        self.frames[lookup] = api_frames.frame(
            self.held.module_field, lookup[0], FrameOutcome.NO_SYMBOL
        )

    def result(self) -> ModuleResult:
        """Return what became of the module, at the end of the call."""
        if self.failure is not None:
            outcome, _ = FAILED[self.failure.kind]
            return ModuleResult(outcome, self.failure.detail, self.failure.retry_after_seconds)
        if self.held is None or self.unanswered():
            detail = TOO_SMALL if self.is_forgotten else ""
            return ModuleResult(ModuleOutcome.PENDING, detail, PENDING_RETRY_SECONDS)
        return self.held.result

    def was_put_in_vain(self) -> bool:
        """Return whether it was put into the store during the call, and could not be read there.

        One ingest alone may have put other pages than the call wants, but none without a directory.
        """
        return self.rounds > (self.held is not None) and bool(self.unanswered())

    def frame(self, lookup: Lookup) -> bytes:
        """Return the encoded frame that answers `lookup`: where nothing is known, it says why."""
        answer = self.frames[lookup]
        if answer is not None:
            return answer
        outcome = FrameOutcome.MODULE_PENDING
        if self.failure is not None:
            _, outcome = FAILED[self.failure.kind]
        module = api_frames.module_field(self.module_id.debug_file.encode())
        if self.held is not None:
            module = self.held.module_field
        return api_frames.frame(module, lookup[0], outcome)
