"""What one server saw of uses and misses, told to the cache in the background."""

import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.insertion.insertion_memory import InsertionMemory, sample_of
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames

FLUSH_SECONDS: Final = 1.0

MOST_NOTED: Final = 20_000
"""Frames that are told at once, and missed pages; others are noted at their next use."""

OLDEST_OF_SAMPLE: Final = 5
"""The eviction age is the idle time of the fifth oldest of the sampled keys."""


class SampledStore(Protocol):
    """A store whose keys' idle times can be sampled."""

    def sample_idle_seconds(self) -> Sequence[float] | None:
        """Return the idle times of random keys; None if the store never evicted any.

        Empty if it does not tell.
        """


class UsedFrame(NamedTuple):
    """A frame that was answered."""

    module_id: ModuleId
    directory: PageDirectory
    offset: int
    """The module offset that was looked up."""

    answer: bytes
    """The encoded frame."""


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
        self._frames: list[UsedFrame] = []
        self._missed: list[PageKey] = []

    def note_frames(self, frames: Collection[UsedFrame]) -> None:
        """Note frames that were answered from pages, or from memory."""
        with self._lock:
            if len(self._frames) < MOST_NOTED:
                self._frames += frames

    def note_missed(self, keys: Collection[PageKey]) -> None:
        """Note pages whose directory was known and that the store did not have."""
        with self._lock:
            if len(self._missed) < MOST_NOTED:
                self._missed += keys

    def flush(self) -> None:
        """Tell the cache what was noted since the last flush, and sample the store if it is due."""
        with self._lock:
            frames, self._frames = self._frames, []
            missed, self._missed = self._missed, []
        with suppress(CacheUnavailableError):
            self._flush(frames, missed)

    def _flush(self, frames: Sequence[UsedFrame], missed: Sequence[PageKey]) -> None:
        functions: dict[str, set[bytes]] = {}
        pages: dict[str, int] = {}
        asked: set[bytes | None] = set()
        for module_id, directory, offset, answer in frames:
            file = module_id.debug_file
            number = directory.find_page(offset)
            function = api_frames.function_of(answer)
            pages[file] = directory.page_count
            if number is not None:
                asked.add(sample_of(module_id, number))
            if function:
                functions.setdefault(file, set()).add(function)
        for file, names in functions.items():
            self._memory.tell_uses(file, pages[file], names)
        missed_pages = {sample_of(key.module_id, key.number) for key in missed}
        if self._memory.tell_pages(_known(missed_pages), _known(asked)):
            idle_seconds = self._store.sample_idle_seconds()
            if idle_seconds is None:
                self._memory.note_idle_seconds(None)
            elif idle_seconds:
                oldest = sorted(idle_seconds)[-OLDEST_OF_SAMPLE:]
                self._memory.note_idle_seconds(oldest[0])


def _known(samples: Collection[bytes | None]) -> list[bytes]:
    return [sample for sample in samples if sample is not None]
