"""The contract of every page store."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey


class PageStore(Protocol):
    """Holds encoded page directories and pages, and may drop any of them at any time.

    It never raises because it is down, full or slow: a failed read is a miss, a failed write is
    lost.
    """

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss; all in one round trip."""

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Store pages. Their directory is stored after them."""

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Store directories, each replacing any earlier one. Their pages were stored before."""

    def forget(self, module_id: ModuleId) -> None:
        """Delete a module's directory; its pages, now unreachable, are evicted in time."""

    def is_answering(self) -> bool:
        """Return whether the last request succeeded; if not, misses mean nothing."""

    def is_lost(self) -> bool:
        """Return whether the last request reached nothing; if so, the next one may wait in vain."""


class AgingPageStore(PageStore, Protocol):
    """A page store that evicts what was not used for the longest time."""

    def put_aged_pages(
        self, pages: Mapping[PageKey, bytes], idle_seconds: Mapping[PageKey, int]
    ) -> None:
        """Store pages, each as if unused for its `idle_seconds`; without them it is new."""

    def takes_ages(self) -> bool:
        """Return whether ages count; if not, every page is new."""

    def sample_idle_seconds(self) -> Sequence[float] | None:
        """Return the idle times of random keys; None if the store evicts none, or does not tell.

        Empty if it does not answer.
        """
