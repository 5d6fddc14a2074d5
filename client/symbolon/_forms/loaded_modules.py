"""The modules of a process, found by address."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from symbolon.reports import Module


class LoadedModule(NamedTuple):
    """A module and where it was."""

    start: int
    last: int
    """The address of its last byte."""

    module: Module


class LoadedModules:
    """The modules of a process; of those that overlap, the one that starts last is found."""

    def __init__(self, modules: Iterable[LoadedModule]) -> None:
        self._modules = sorted(modules, key=lambda loaded: loaded[:2])
        self._starts = [loaded.start for loaded in self._modules]

    def find(self, address: int) -> tuple[Module | None, int]:
        """Return module and offset, or `None` and the address."""
        at = bisect_right(self._starts, address) - 1
        if at >= 0 and address <= self._modules[at].last:
            return self._modules[at].module, address - self._starts[at]
        return None, address
