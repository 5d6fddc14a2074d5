"""Page stores one above the other: reads fall through, what is found is put upward."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from symbolon_server.store.page_stores import PageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey

_K = TypeVar("_K")


class TieredPageStore:
    """Asks its tiers in order, each only for what those above it miss."""

    def __init__(self, tiers: Sequence[PageStore]) -> None:
        """Take the tiers, the fastest first."""
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
        """Keep these pages in every tier."""
        for tier in reversed(self._tiers):
            tier.put_pages(pages)

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Keep these directories in every tier."""
        for tier in reversed(self._tiers):
            tier.put_directories(directories)

    def forget(self, module_id: ModuleId) -> None:
        """Drop a module's directory, from below: a lookup meanwhile must not put it upward."""
        for tier in reversed(self._tiers):
            tier.forget(module_id)

    def has_room(self) -> bool:
        """Return whether every tier has room."""
        return all(tier.has_room() for tier in self._tiers)

    def is_answering(self) -> bool:
        """Return whether every tier answered when it was last asked."""
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
