"""Explains the answer for one frame: asks every tier, and begins nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.module_memory import SupplierRound, SupplierRounds
from symbolon_server.symbolication.explaining.explanation import (
    ExplainedPage,
    ExplainedTier,
    Explanation,
    Findings,
    Verdict,
)
from symbolon_server.symbolication.explaining.page_findings import explain_ranges, judge
from symbolon_server.symbolication.explaining.tier_readers import (
    MemoryReader,
    StoreReader,
    TierReader,
)
from symbolon_server.symbolication.looking_up.lookup import CACHE_RETRY_SECONDS, Tiers
from symbolon_server.symbolication.looking_up.module_work import Lookup, ModuleWork
from symbolon_server.symbolication.memory.frame_memory import FrameTable
from symbolon_server.symbolication.memory.queries import TierName
from symbolon_server.symbolication.memory.server_memory import RememberedModule, ServerMemory
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.reader import Page

_NO_CACHE: Final = "the cache does not answer, so that failures and suppliers are not known"
_NO_PAGE: Final = "no tier has the page that covers the offset"


class FrameExplainer:
    """Explains frames by what this server has, and what suppliers said last."""

    def __init__(self, tiers: Tiers, held: ServerMemory, rounds: SupplierRounds) -> None:
        """Ask what is `held`, `tiers`, and `rounds` for the suppliers."""
        self._tiers = tiers
        self._held = held
        self._rounds = rounds

    def explain(self, module_id: ModuleId, lookup: Lookup, around: int) -> Explanation:
        """Return everything that led to the answer, with `around` ranges on either side of it."""
        asked = _AskedTiers(self._tiers, self._held, module_id)
        warnings: list[str] = []
        work = ModuleWork(AskedModule(module_id), {lookup: None})
        directory = asked.find_directory(lookup)
        findings = Findings()
        if directory is not None:
            work.held = RememberedModule.of(directory, FrameTable(0))
            findings = self._find(work, lookup, around, asked)
            if work.unanswered():
                warnings.append(_NO_PAGE)
        failure, supplier_round = self._remembered(module_id, warnings)
        work.failure = failure if work.unanswered() else None
        return Explanation(
            frame=work.frame(lookup),
            result=work.result(),
            looked_up=max(0, lookup[0] - lookup[1]),
            tiers=[self._frames_tier(module_id, lookup), *asked.tiers],
            directory=directory,
            findings=findings,
            suppliers=supplier_round,
            failed_attempts=0 if failure is None else failure.attempts,
            warnings=warnings,
        )

    def _find(
        self, work: ModuleWork, lookup: Lookup, around: int, asked: "_AskedTiers"
    ) -> Findings:
        """Answer `work` from the page that covers `lookup`, and return what that says."""
        assert work.held is not None  # noqa: S101 - the caller holds it
        directory = work.held.directory
        keys = list(work.lookups_by_page())
        if not keys:
            return Findings(verdict=Verdict.NONE_BEFORE)
        (key,) = keys
        page, explained = asked.read_page(key, directory)
        if page is None:
            return Findings(explained)
        row = page.find_row(lookup[0] - lookup[1])

        def read_page(number: int) -> Page | None:
            return asked.find_page(directory, number)

        with suppress(DamagedPageError):  # then it is as good as absent
            work.answer_from(page, [lookup])
            verdict, deciding = judge(page, row, key.number, read_page)
            return Findings(explained, explain_ranges(page, row, around), verdict, deciding)
        return Findings(explained)

    def _frames_tier(self, module_id: ModuleId, lookup: Lookup) -> ExplainedTier:
        """Return what is remembered of the frame itself."""
        tier = ExplainedTier(TierName.FRAMES)
        with _timed(tier):
            module = self._held.modules.peek(module_id)
            if module is not None:
                tier.directory = module.directory
                frame = api_frames.asked_frame(*lookup)
                found = module.frames.young.get(frame) or module.frames.old.get(frame)
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


class _AskedTiers:
    """The tiers that have pages, nearest first, each asked for one module and one page."""

    def __init__(self, tiers: Tiers, held: ServerMemory, module_id: ModuleId) -> None:
        known = tiers.invalidations
        readers: list[tuple[TierName, TierReader]] = [
            (TierName.MEMORY, MemoryReader(held)),
            (TierName.STORE, StoreReader(tiers.store, known)),
        ]
        if tiers.spool is not None:
            readers.append((TierName.SPOOL, StoreReader(tiers.spool, known)))
        self._module_id = module_id
        self._readers = [reader for _, reader in readers]
        self.tiers = [ExplainedTier(name) for name, _ in readers]
        for tier, reader in zip(self.tiers, self._readers, strict=True):
            with _timed(tier):
                tier.directory, tier.detail = reader.read_directory(module_id)

    def find_directory(self, lookup: Lookup) -> PageDirectory | None:
        """Return the directory that answers: the nearest whose page is anywhere, else the nearest.

        What memory says of a module is old when another server had it ingested anew.
        """
        directories = {t.directory.generation: t.directory for t in self.tiers if t.directory}
        for directory in directories.values():
            number = directory.find_page(max(0, lookup[0] - lookup[1]))
            if number is None or self.find_page(directory, number) is not None:
                return directory
        return next(iter(directories.values()), None)

    def find_page(self, directory: PageDirectory, number: int) -> Page | None:
        """Return a page of the nearest tier that has it, without noting that."""
        key = PageKey(self._module_id, directory.generation, number)
        for reader in self._readers:
            page = reader.read_page(key, directory.dictionary_key(self._module_id)).page
            if page is not None:
                return page
        return None

    def read_page(
        self, key: PageKey, directory: PageDirectory
    ) -> tuple[Page | None, ExplainedPage]:
        """Return the page and where it was, having noted which tiers have it."""
        nearest: Page | None = None
        nearest_tier, stored_bytes = None, 0
        dictionary_key = directory.dictionary_key(self._module_id)
        for tier, reader in zip(self.tiers, self._readers, strict=True):
            with _timed(tier):
                page, tier.stored_bytes = reader.read_page(key, dictionary_key)
            tier.has_answer = page is not None
            if page is not None and nearest is None:
                nearest, nearest_tier = page, tier.name
                stored_bytes = 0 if tier.name is TierName.MEMORY else tier.stored_bytes
        firsts = directory.first_offsets
        is_last = key.number + 1 == len(firsts)
        return nearest, ExplainedPage(
            key=key,
            first_offset=int(firsts[key.number]),
            end_offset=None if is_last else int(firsts[key.number + 1]),
            tier=nearest_tier,
            ranges=0 if nearest is None else len(nearest.range_start),
            stored_bytes=stored_bytes,
        )


@contextmanager
def _timed(tier: ExplainedTier) -> Iterator[None]:
    start = time.perf_counter()
    yield
    tier.seconds += time.perf_counter() - start
