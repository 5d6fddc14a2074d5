"""A page store in this process's memory."""

from collections.abc import Mapping, Sequence

from symbolon_server.cache.aging import AgingCounts, AgingMap
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.pages import PageKey

ENTRY_BYTES = 250
"""What an entry takes beside its bytes: its key, places in dictionaries, object headers."""

FULL_SHARE = 0.8
"""The share of a store's limit above which it has no room."""


class MemoryPageStore:
    """Keeps what was used latest within a number of bytes; gone with the process."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: AgingMap[ModuleId | PageKey, bytes] = AgingMap(max_bytes, _weigh)

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""
        return self._entries.get_many(module_ids)

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss."""
        return self._entries.get_many(keys)

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Keep these pages."""
        self._entries.put_many(pages.items())

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Keep these directories, each in the place of any earlier one."""
        self._entries.put_many(directories.items())

    def forget(self, module_id: ModuleId) -> None:
        """Drop a module's directory; its pages age out."""
        self._entries.discard(module_id)

    def has_room(self) -> bool:
        """Return whether less than 80 % of its bytes are used."""
        counts = self._entries.counts()
        return counts.stored_bytes < FULL_SHARE * counts.max_bytes

    def is_answering(self) -> bool:
        """Return that it does: it is here."""
        return True

    def counts(self) -> AgingCounts:
        """Return what is held and how it served so far."""
        return self._entries.counts()


def _weigh(_key: ModuleId | PageKey, value: bytes) -> int:
    return len(value) + ENTRY_BYTES
