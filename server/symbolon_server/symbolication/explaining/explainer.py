"""Explains the answer for one frame: queries every tier, and starts nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.invalidations import KnownInvalidations
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.module_memory import SupplierRound, SupplierRounds
from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbolication.explaining.explanation import (
    DecidingSymbol,
    ExplainedPage,
    ExplainedRange,
    ExplainedTier,
    Explanation,
    Findings,
    Verdict,
)
from symbolon_server.symbolication.looking_up.lookup import CACHE_RETRY_SECONDS
from symbolon_server.symbolication.looking_up.new_frames import Lookup, ModuleFrames
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.queries import TierName
from symbolon_server.symbolication.memory.server_memory import (
    FrameTable,
    RememberedModule,
    ServerMemory,
)
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.directory import decode_directory
from symbolon_server.symbols.paging.linkage_names import divide_answer
from symbolon_server.symbols.paging.reader import Page

_NO_CACHE: Final = "the cache does not answer, so failures and suppliers are unknown"
_NO_LINKAGE_NAMES: Final = (
    "no tier has the pages with linkage names: a request with linkage names has them made"
)
_NO_PAGE: Final = "no tier has the page that covers the offset"

_ReadPage = Callable[[int], Page | None]
"""Returns the page of the module with this number, None if no tier has it."""


NOT_ANSWERING: Final = "it does not answer"
DAMAGED: Final = "its page directory is damaged"
STALE: Final = "its page directory was invalidated"


class _MemoryReader:
    """The memory of this process; nothing counts as used."""

    def __init__(self, memory: ServerMemory) -> None:
        self._memory = memory

    def read_directory(self, module_id: ModuleId) -> tuple[PageDirectory | None, str]:
        """Return the page directory, if there is one, and no detail."""
        module = self._memory.modules.peek(module_id)
        return None if module is None else module.directory, ""

    def read_page(self, key: PageKey, _dictionary: PageKey | None) -> tuple[Page | None, int]:
        """Return the page, unpacked as it is, and its bytes in memory."""
        page = self._memory.pages.peek(key)
        return page, 0 if page is None else page.memory_bytes


class _StoreReader:
    """A page store: Redis or the spool."""

    def __init__(self, store: PageStore, invalidations: KnownInvalidations) -> None:
        self._store = store
        self._invalidations = invalidations

    def read_directory(self, module_id: ModuleId) -> tuple[PageDirectory | None, str]:
        """Return the page directory if it is valid, and else why it is not, for people to read."""
        (data,) = self._store.get_directories([module_id])
        if data is None:
            return None, "" if self._store.is_answering() else NOT_ANSWERING
        try:
            directory = decode_directory(module_id, data)
        except DamagedPageError:
            return None, DAMAGED
        if self._invalidations.is_stale(module_id, directory.ingest.as_of):
            return None, STALE
        return directory, ""

    def read_page(self, key: PageKey, dictionary: PageKey | None) -> tuple[Page | None, int]:
        """Return the page and its stored bytes, unless it or its page dictionary is damaged."""
        (data,) = self._store.get_pages([key])
        if data is None:
            return None, 0
        try:
            unpacked_by = None if dictionary is None else self._read_dictionary(dictionary)
            return Page.decode(key.owner, data, unpacked_by), len(data)
        except DamagedPageError:
            return None, 0

    def _read_dictionary(self, key: PageKey) -> PageDictionary | None:
        (data,) = self._store.get_pages([key])
        return None if data is None else PageDictionary.decode(key.owner, data)


class ExplainedTiers:
    """The tiers that hold pages, fastest first, queried for one module."""

    def __init__(self, tiers: Tiers, memory: ServerMemory, module_id: ModuleId) -> None:
        """Read the page directory from each tier."""
        known = tiers.invalidations
        self._readers: list[_MemoryReader | _StoreReader] = [
            _MemoryReader(memory),
            _StoreReader(tiers.store, known),
        ]
        self.tiers = [ExplainedTier(TierName.MEMORY), ExplainedTier(TierName.STORE)]
        """What each tier has; `read_page` adds to it."""

        if tiers.spool is not None:
            self._readers.append(_StoreReader(tiers.spool, known))
            self.tiers.append(ExplainedTier(TierName.SPOOL))
        self._module_id = module_id
        for tier, reader in zip(self.tiers, self._readers, strict=True):
            with timed(tier):
                tier.directory, tier.detail = reader.read_directory(module_id)

    def find_directory(self, lookup: Lookup) -> PageDirectory | None:
        """Return the directory that answers: the first whose page exists, else the first.

        A directory in memory is out of date if another server had the module ingested again.
        """
        directories = {t.directory.generation: t.directory for t in self.tiers if t.directory}
        for directory in directories.values():
            number = directory.find_page(max(0, lookup[0] - lookup[1]))
            if number is None or self.find_page(directory, number) is not None:
                return directory
        return next(iter(directories.values()), None)

    def find_page(self, directory: PageDirectory, number: int) -> Page | None:
        """Return a page from the first tier that has it, without noting that."""
        key = PageKey(self._module_id, directory.generation, number)
        for reader in self._readers:
            page, _ = reader.read_page(key, directory.dictionary_key(self._module_id))
            if page is not None:
                return page
        return None

    def read_page(
        self, key: PageKey, directory: PageDirectory
    ) -> tuple[Page | None, ExplainedPage]:
        """Return a page and where it came from; note in `tiers` which of them have it."""
        found: Page | None = None
        found_in, stored_bytes = None, 0
        dictionary_key = directory.dictionary_key(self._module_id)
        for tier, reader in zip(self.tiers, self._readers, strict=True):
            with timed(tier):
                page, tier.stored_bytes = reader.read_page(key, dictionary_key)
            tier.has_answer = page is not None
            if page is not None and found is None:
                found, found_in = page, tier.name
                stored_bytes = 0 if tier.name is TierName.MEMORY else tier.stored_bytes
        firsts = directory.first_offsets
        is_last = key.number + 1 == len(firsts)
        return found, ExplainedPage(
            key=key,
            first_offset=int(firsts[key.number]),
            end_offset=None if is_last else int(firsts[key.number + 1]),
            tier=found_in,
            ranges=0 if found is None else len(found.range_start),
            stored_bytes=stored_bytes,
        )


@contextmanager
def timed(tier: ExplainedTier) -> Iterator[None]:
    """Add the time within the context to what `tier` took."""
    start = time.perf_counter()
    yield
    tier.seconds += time.perf_counter() - start


class FrameExplainer:
    """Explains frames by what this server has, and by the last answers of suppliers."""

    def __init__(self, tiers: Tiers, memory: ServerMemory, rounds: SupplierRounds) -> None:
        """Query `memory` and `tiers`, and `rounds` for the answers of suppliers."""
        self._tiers = tiers
        self._memory = memory
        self._rounds = rounds

    def explain(self, module_id: ModuleId, lookup: Lookup, around: int) -> Explanation:
        """Return everything that led to the answer, with up to `around` ranges on either side."""
        tiers = ExplainedTiers(self._tiers, self._memory, module_id)
        warnings: list[str] = []
        module = ModuleFrames(AskedModule(module_id), {lookup: None})
        directory = tiers.find_directory(lookup)
        findings = Findings()
        if directory is not None:
            module.held = RememberedModule.of(directory, FrameTable(0))
            findings = self._find(module, lookup, around, tiers)
            if module.unanswered():
                warnings.append(_NO_PAGE)
        elif module_id.has_linkage_names:
            warnings.append(_NO_LINKAGE_NAMES)
        failure, supplier_round = self._remembered(module_id, warnings)
        module.failure = failure if module.unanswered() else None
        return Explanation(
            frame=module.frame(lookup),
            result=module.result(),
            looked_up=max(0, lookup[0] - lookup[1]),
            tiers=[self._frames_tier(module_id, lookup), *tiers.tiers],
            directory=directory,
            findings=findings,
            suppliers=supplier_round,
            failed_attempts=0 if failure is None else failure.attempts,
            warnings=warnings,
        )

    def _find(
        self, module: ModuleFrames, lookup: Lookup, around: int, tiers: ExplainedTiers
    ) -> Findings:
        """Answer `module` from the page that covers `lookup`, and return what the page says."""
        assert module.held is not None  # noqa: S101 - the caller has set it
        directory = module.held.directory
        keys = list(module.lookups_by_page())
        if not keys:
            return Findings(verdict=Verdict.NONE_BEFORE)
        (key,) = keys
        page, explained = tiers.read_page(key, directory)
        if page is None:
            return Findings(explained)
        row = page.find_row(lookup[0] - lookup[1])

        def read_page(number: int) -> Page | None:
            return tiers.find_page(directory, number)

        with suppress(DamagedPageError):  # then it counts as missing
            module.answer_from(page, [lookup])
            verdict, deciding = _judge(page, row, key.number, read_page)
            ranges = _explain_ranges(page, row, around)
            if module.module_id.has_linkage_names:
                ranges, deciding = _divide_names(ranges, deciding)
            return Findings(explained, ranges, verdict, deciding)
        return Findings(explained)

    def _frames_tier(self, module_id: ModuleId, lookup: Lookup) -> ExplainedTier:
        """Return the tier of remembered frames."""
        tier = ExplainedTier(TierName.FRAMES)
        with timed(tier):
            held = self._memory.modules.peek(module_id)
            if held is not None:
                tier.directory = held.directory
                frame = api_frames.asked_frame(*lookup)
                found = held.frames.young.get(frame) or held.frames.old.get(frame)
                tier.has_answer, tier.stored_bytes = found is not None, len(found or b"")
        return tier

    def _remembered(
        self, module_id: ModuleId, warnings: list[str]
    ) -> tuple[Failure | None, SupplierRound | None]:
        try:
            failure = self._tiers.failures.get_many([module_id]).get(module_id)
            return failure, self._rounds.get(module_id)
        except CacheUnavailableError:
            warnings.append(_NO_CACHE)
            return Failure(FailureKind.UNAVAILABLE, _NO_CACHE, 0, CACHE_RETRY_SECONDS), None


def _explain_ranges(page: Page, row: int, around: int) -> list[ExplainedRange]:
    """Return the range in `row` and up to `around` ranges on either side, in ascending order."""
    rows = range(max(0, row - around), min(len(page.range_start), row + around + 1))
    return [
        ExplainedRange(int(page.range_start[r]), _end_of(page, r), r == row, page.answer(r))
        for r in rows
    ]


def _divide_names(
    ranges: Sequence[ExplainedRange], deciding: DecidingSymbol | None
) -> tuple[list[ExplainedRange], DecidingSymbol | None]:
    """Return both with linkage names apart from the names of functions."""
    divided = [
        r if r.answer is None else replace(r, answer=divide_answer(r.answer)) for r in ranges
    ]
    if deciding is not None:
        deciding = replace(deciding, answer=divide_answer(deciding.answer))
    return divided, deciding


def _judge(
    page: Page, row: int, number: int, read_page: _ReadPage
) -> tuple[Verdict, DecidingSymbol | None]:
    """Return why a public symbol answers for the range in `row`, or why not.

    If the symbol before a gap is in an earlier page than `number`, that page is read.
    """
    found = page.answer(row)
    if found is not None:
        verdict = Verdict.TAKEN if found.is_public else Verdict.FUNCTION_COVERS
        return verdict, _deciding(page, row)
    # A public symbol would reach up to here, so a function ended before. There is one, because the
    # first range of a module is not a gap.
    before: Page | None = page
    while before is not None:
        for earlier in range(row - 1, -1, -1):
            if before.answer(earlier) is not None:
                return Verdict.FUNCTION_BETWEEN, _deciding(before, earlier)
        number -= 1
        before = read_page(number) if number >= 0 else None
        row = 0 if before is None else len(before.range_start)
    return Verdict.FUNCTION_BETWEEN, None


def _deciding(page: Page, row: int) -> DecidingSymbol:
    answer = page.answer(row)
    assert answer is not None  # noqa: S101 - the caller has looked
    symbol = page.symbol(row)
    after = row
    while after < len(page.range_start) and page.symbol(after) == symbol:
        after += 1
    is_known = after < len(page.range_start)
    return DecidingSymbol(answer, int(page.range_start[after]) if is_known else None)


def _end_of(page: Page, row: int) -> int | None:
    return int(page.range_start[row + 1]) if row + 1 < len(page.range_start) else None
