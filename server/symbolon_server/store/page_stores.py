"""What every page store promises: memory, Redis, and tiers of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey


class PageStore(Protocol):
    """Holds encoded page directories and pages, and may forget any of them at any time.

    It never raises because it is down, full or slow: what it cannot read is a miss, what
    it cannot write is not kept.
    """

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss; one round trip for all."""

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Keep these pages, before the directory that leads to them."""

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Keep these directories, each in the place of any earlier one; their pages came before."""

    def forget(self, module_id: ModuleId) -> None:
        """Drop a module's directory; its pages, now out of reach, age out."""

    def has_room(self) -> bool:
        """Return whether pages can be put without pushing out others.

        When not, only pages that were asked for are worth putting.
        """

    def is_answering(self) -> bool:
        """Return whether it answered when it was last asked; if not, its misses mean nothing."""
