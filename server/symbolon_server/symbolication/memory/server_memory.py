"""What a server process holds in its own memory: modules, pages and whole frames."""

from dataclasses import dataclass
from typing import Final, Self

from symbolon_server.cache.invalidations import NO_INVALIDATIONS, KnownInvalidations
from symbolon_server.symbolication.memory.aging import AgingCounts, AgingMap
from symbolon_server.symbolication.memory.frame_memory import FrameMemory, FrameTable
from symbolon_server.symbolication.memory.queries import ModuleOutcome, ModuleResult
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.reader import Page

_PAGES_SHARE: Final = 0.5
_FRAMES_SHARE: Final = 0.3
_DICTIONARIES_SHARE: Final = 0.1
"""Of the memory; a frame is small and answers at once, a page answers for its whole stretch. A page
dictionary is needed only for pages that are not here yet: some 190 large modules have room."""

_ENTRY_BYTES: Final = 200
"""What a dictionary entry with its key costs beside the value."""

_MODULE_BYTES: Final = 2000
"""What a module costs beside the offsets of its pages."""


@dataclass(frozen=True, slots=True)
class RememberedModule:
    """A module whose page directory is known."""

    directory: PageDirectory
    module_field: bytes
    """The encoded field `module` of all its frames."""

    result: ModuleResult
    """What becomes of the module in a request that it answers."""

    frames: FrameTable
    """The frames of this generation that were answered before."""

    @classmethod
    def of(cls, directory: PageDirectory, frames: FrameTable) -> Self:
        """Return the module of a page directory."""
        skipped = sum(directory.facts.skipped_records.values())
        return cls(
            directory,
            api_frames.module_field(directory.facts.module_name.encode()),
            ModuleResult(ModuleOutcome.FOUND, skipped_records=skipped),
            frames,
        )


class ServerMemory:
    """Everything held, bounded together in bytes; each map has its own lock."""

    def __init__(self, max_bytes: int) -> None:
        """Hold at most `max_bytes`."""
        pages, frames = int(max_bytes * _PAGES_SHARE), int(max_bytes * _FRAMES_SHARE)
        dictionaries = int(max_bytes * _DICTIONARIES_SHARE)
        self.pages: AgingMap[PageKey, Page] = AgingMap(
            pages, lambda _, page: page.memory_bytes + _ENTRY_BYTES
        )
        self.dictionaries: AgingMap[PageKey, PageDictionary] = AgingMap(
            dictionaries, lambda _, dictionary: dictionary.memory_bytes + _ENTRY_BYTES
        )
        self.frames = FrameMemory(frames)
        self.modules: AgingMap[ModuleId, RememberedModule] = AgingMap(
            max_bytes - pages - frames - dictionaries,
            lambda _, module: module.directory.first_offsets.nbytes + _MODULE_BYTES,
        )

    def put_module(
        self,
        module_id: ModuleId,
        directory: PageDirectory,
        invalidations: KnownInvalidations = NO_INVALIDATIONS,
    ) -> RememberedModule:
        """Hold a module in the place of any earlier generation, and return it.

        Raises `DamagedPageError` where the module was invalidated since.
        """
        module = RememberedModule.of(directory, self.frames.table(directory.generation))
        self.modules.put(module_id, module)
        # Only now: who learns of an invalidation after this look finds the module here.
        if invalidations.is_stale(module_id, directory.ingest.as_of):
            self.modules.discard(module_id)
            raise DamagedPageError("a page directory that was invalidated")
        return module

    def counts_of_frames(self) -> AgingCounts:
        """Return what is held of whole frames and how it served."""
        return self.frames.counts()

    def counts_of_memory(self) -> AgingCounts:
        """Return what is held of pages, dictionaries and directories, and how it served."""
        return self.modules.counts() + self.pages.counts() + self.dictionaries.counts()
