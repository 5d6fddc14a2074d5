"""The contract of every page store, and a page store made of tiers of others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey

_K = TypeVar("_K")


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

    def has_room(self) -> bool:
        """Return whether pages can be stored without evicting others.

        If not, store requested pages only.
        """

    def is_answering(self) -> bool:
        """Return whether the last request succeeded; if not, misses mean nothing."""


class TieredPageStore:
    """Queries its tiers in order, each only for the misses of those above it.

    What a tier finds is stored in the tiers above it.
    """

    def __init__(self, tiers: Sequence[PageStore]) -> None:
        """Use `tiers`, the fastest first."""
        self._tiers = tuple(tiers)

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""
        return self._get(
            module_ids,
            lambda tier, asked: tier.get_directories(asked),
            lambda tier, found: tier.put_directories(found),
        )

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss."""
        return self._get(
            keys,
            lambda tier, asked: tier.get_pages(asked),
            lambda tier, found: tier.put_pages(found),
        )

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Store pages in every tier, the slowest first."""
        for tier in reversed(self._tiers):
            tier.put_pages(pages)

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Store directories in every tier, the slowest first."""
        for tier in reversed(self._tiers):
            tier.put_directories(directories)

    def forget(self, module_id: ModuleId) -> None:
        """Delete a module's directory, the slowest tier first, so that no lookup restores it."""
        for tier in reversed(self._tiers):
            tier.forget(module_id)

    def has_room(self) -> bool:
        """Return whether every tier has room."""
        return all(tier.has_room() for tier in self._tiers)

    def is_answering(self) -> bool:
        """Return whether the last request to every tier succeeded."""
        return all(tier.is_answering() for tier in self._tiers)

    def _get(
        self,
        keys: Sequence[_K],
        get: Callable[[PageStore, Sequence[_K]], list[bytes | None]],
        put: Callable[[PageStore, Mapping[_K, bytes]], None],
    ) -> list[bytes | None]:
        found: dict[_K, bytes] = {}
        passed: list[PageStore] = []
        missed = list(dict.fromkeys(keys))
        for tier in self._tiers:
            if not missed:
                break
            answers = zip(missed, get(tier, missed), strict=True)
            here = {key: value for key, value in answers if value is not None}
            if here:
                for above in passed:
                    put(above, here)
                found |= here
                missed = [key for key in missed if key not in here]
            passed.append(tier)
        return [found.get(key) for key in keys]
