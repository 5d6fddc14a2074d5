"""What a server process holds in its own memory: modules, pages and whole frames."""

from dataclasses import dataclass
from typing import Final, Self

from symbolon_server.cache.aging import AgingCounts, AgingMap
from symbolon_server.symbols import wire
from symbolon_server.symbols.directory_format import decode_directory
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.page_reader import Page
from symbolon_server.symbols.pages import PageDirectory, PageKey

_PAGES_SHARE: Final = 0.6
_FRAMES_SHARE: Final = 0.3
"""Of the memory; a frame is small and answers at once, a page answers for its whole stretch."""

_ENTRY_BYTES: Final = 200
"""What a dictionary entry with its key costs beside the value."""


@dataclass(frozen=True, slots=True)
class HeldModule:
    """A module whose page directory is known."""

    directory: PageDirectory
    module_field: bytes
    """The encoded field `module` of all its frames."""

    frame_key: int
    """What the keys of its remembered frames begin with: other in each generation."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the module whose encoded directory is `data`; raise `DamagedPageError`."""
        directory = decode_directory(data)
        name = wire.bytes_field(1, directory.facts.module_name.encode())
        return cls(directory, name, hash(directory.generation) & (2**62 - 1))


class Held:
    """Everything held, bounded together in bytes; each map has its own lock."""

    def __init__(self, max_bytes: int) -> None:
        """Hold at most `max_bytes`."""
        pages, frames = int(max_bytes * _PAGES_SHARE), int(max_bytes * _FRAMES_SHARE)
        self.pages: AgingMap[PageKey, Page] = AgingMap(
            pages, lambda _, page: page.memory_bytes + _ENTRY_BYTES
        )
        self.frames: AgingMap[tuple[int, int], bytes] = AgingMap(
            frames, lambda _, frame: len(frame) + _ENTRY_BYTES
        )
        self.modules: AgingMap[ModuleId, HeldModule] = AgingMap(
            max_bytes - pages - frames,
            lambda _, module: module.directory.first_offsets.nbytes + 10 * _ENTRY_BYTES,
        )

    def counts_of_frames(self) -> AgingCounts:
        """Return what is held of whole frames and how it served."""
        return self.frames.counts()

    def counts_of_memory(self) -> AgingCounts:
        """Return what is held of pages and directories, together, and how it served."""
        modules, pages = self.modules.counts(), self.pages.counts()
        return AgingCounts(
            modules.entries + pages.entries,
            modules.stored_bytes + pages.stored_bytes,
            modules.max_bytes + pages.max_bytes,
            modules.hits + pages.hits,
            modules.misses + pages.misses,
        )
