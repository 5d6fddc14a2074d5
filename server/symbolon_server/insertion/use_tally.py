"""What one server saw of uses and misses, told to the cache in the background."""

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import chain, starmap
from typing import Final, NamedTuple, Protocol

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.insertion.ages import eviction_age_of
from symbolon_server.insertion.insertion_memory import InsertionMemory, samples_of
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames

FLUSH_SECONDS: Final = 1.0

MOST_NOTED: Final = 20_000
"""Frames that are told at once, and missed pages; others are noted at their next use."""


class SampledStore(Protocol):
    """A store whose keys' idle times can be sampled."""

    def sample_idle_seconds(self) -> Sequence[float] | None:
        """Return the idle times of random keys; None if the store evicts none, or does not tell.

        Empty if it does not answer.
        """


class UsedFrames(NamedTuple):
    """Frames of one module that were answered."""

    module_id: ModuleId
    directory: PageDirectory
    offsets: list[int]
    """The module offsets that were looked up; -1 is before the module."""

    answers: list[bytes]
    """The encoded frame for each of them."""


class UseTally:
    """Collects what calls ask for, and tells the cache about once a second.

    Thread-safe: one lock guards both lists, which calls only append to. If the cache is unavailable
    they are dropped, so that nothing accumulates.
    """

    def __init__(self, memory: InsertionMemory, store: SampledStore) -> None:
        """Tell `memory`, and sample `store` when it is due."""
        self._memory = memory
        self._store = store
        self._lock = threading.Lock()
        self._frames: list[UsedFrames] = []
        self._noted = 0
        """How many frames they are together."""
        self._missed: list[PageKey] = []

    def note_frames(self, frames: Collection[UsedFrames]) -> None:
        """Note frames that were answered from pages, or from memory."""
        answered = [some for some in frames if some.answers]
        count = sum(len(some.answers) for some in answered)
        with self._lock:
            if self._noted < MOST_NOTED:
                self._frames += answered
                self._noted += count

    def note_missed(self, keys: Collection[PageKey]) -> None:
        """Note pages whose directory was known and that the store did not have."""
        with self._lock:
            if len(self._missed) < MOST_NOTED:
                self._missed += keys

    def forget_ingested(self, module_ids: Collection[ModuleId]) -> None:
        """Forget at once that these modules were ingested: the store does not evict them."""
        with suppress(CacheUnavailableError):  # then their pages are put as the oldest
            self._memory.forget_ingested(module_ids)

    def flush(self) -> None:
        """Tell the cache what was noted since the last flush, and sample the store if it is due."""
        with self._lock:
            frames, self._frames, self._noted = self._frames, [], 0
            missed, self._missed = self._missed, []
        with suppress(CacheUnavailableError):
            self._flush(frames, missed)

    def _flush(self, frames: Sequence[UsedFrames], missed: Sequence[PageKey]) -> None:
        functions: defaultdict[str, set[bytes]] = defaultdict(set)
        pages: dict[str, int] = {}
        numbers: defaultdict[ModuleId, set[int]] = defaultdict(set)
        for module_id, directory, offsets, answers in frames:
            if found := directory.find_pages(offsets):
                numbers[module_id].update(found)
                if directory.has_dictionary:
                    numbers[module_id].add(directory.page_count)
            family = module_id.family
            pages[family] = directory.page_count
            functions[family].update(map(api_frames.function_of, answers))
        with suppress(CacheUnavailableError):  # a user may lack permissions for this alone
            for family, names in functions.items():
                names.discard(b"")
                self._memory.tell_uses(family, pages[family], names)
        missed_numbers: defaultdict[ModuleId, set[int]] = defaultdict(set)
        for key in missed:
            missed_numbers[key.module_id].add(key.number)
        if self._memory.tell_pages(_sampled(missed_numbers), _sampled(numbers)):
            self._sample_store()

    def _sample_store(self) -> None:
        idle_seconds = self._store.sample_idle_seconds()
        if idle_seconds is None:
            self._memory.note_idle_seconds(None)
        elif idle_seconds:
            self._memory.note_idle_seconds(eviction_age_of(idle_seconds))


def _sampled(numbers: Mapping[ModuleId, Collection[int]]) -> list[bytes]:
    return list(chain.from_iterable(starmap(samples_of, numbers.items())))
