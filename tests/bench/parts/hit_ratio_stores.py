"""Stores of a fixed size under the hit ratio's workload, each a real Redis."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from tests.bench.parts.hit_ratio_sizes import MOST_PAGES, KeyBytes, ModuleSizes
from tests.bench.world.workload import Numbers

SCALE: Final = 10
"""Everything is kept at a fraction of its size, in stores of the same fraction."""

PAGES, WHOLE, NAMES = "pages", "whole modules", "names only, whole modules"
"""What a store keeps."""

FULL_SHARE: Final = 0.8
"""Where a store counts as full."""

_FIELD_BYTES: Final = 4_000
_FIELD: Final = bytes(_FIELD_BYTES)
_KEYS_AT_ONCE, _FIELDS_AT_ONCE, _MODULES_AT_ONCE = 100, 20, 4
"""A request counts as used memory while it is read: a large one would push out what is kept."""

_TOUCH = """
local found = {}
for number, key in ipairs(KEYS) do found[number] = redis.call('TOUCH', key) end
return table.concat(found)
"""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a batch asks for, each thing once: what is asked for again is there by then."""

    lookups: int
    modules: Numbers
    pages: Numbers
    """The module times `MOST_PAGES`, plus the page."""

    module_of_page: Numbers
    """Shape (pages,): the row in `modules`."""

    are_modules_seen: Flags
    are_pages_seen: Flags

    @classmethod
    def of(cls, module: Numbers, page: Numbers, modules_seen: Flags, pages_seen: Flags) -> "Asked":
        """Return what is asked for of `page` of `module`, and whether it was asked before."""
        pages = np.unique(module * MOST_PAGES + page)
        modules, rows = np.unique(pages // MOST_PAGES, return_inverse=True)
        return cls(len(module), modules, pages, rows, modules_seen[modules], pages_seen[pages])


class Store(ABC):
    """A Redis of a fixed size, and what was missed in it."""

    _overrides: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self,
        layout: str,
        max_bytes: int,
        modules: Sequence[ModuleSizes],
        key_bytes: KeyBytes,
        opened: ExitStack,
    ) -> None:
        """Keep at most `max_bytes`, counted at full size."""
        self.layout = layout
        self.max_bytes = max_bytes
        self.lookups = 0
        self.misses = 0
        self.capacity_misses = 0
        """Of what had been asked for before."""

        self.unput_misses = 0
        """Of pages that nobody had asked for before, in modules that somebody had."""

        self._modules = modules
        self._key_bytes = key_bytes
        options = EmbeddedOptions(overrides=self._overrides)
        server = opened.enter_context(EmbeddedRedis.start("store.conf", options))
        self._redis: Any = opened.enter_context(connect(server.url))
        self._touch = self._redis.register_script(_TOUCH)
        self._touch(keys=["none"])
        self._limit = max_bytes // SCALE + int(self._redis.info("memory")["used_memory"])
        self._redis.config_set("maxmemory", self._limit)

    @property
    def capacity_share(self) -> float:
        """The share of lookups that missed for lack of memory, up to where it was given up."""
        return self.capacity_misses / self.lookups

    @abstractmethod
    def look_up(self, asked: Asked) -> None:
        """Look up everything that is asked, count misses and put what was missed."""

    def _find(self, keys: Sequence[str]) -> Flags:
        """Return which keys are there; they count as used now."""
        found: Flags = np.frombuffer(self._touch(keys=keys), np.uint8) == ord("1")
        return found

    def _sizes(self, module: int) -> ModuleSizes:
        return self._modules[module % len(self._modules)]

    def _put_values(self, values: Mapping[str, int]) -> None:
        """Put values of these sizes at full size; what a full store refuses is not kept."""
        items = list(values.items())
        for start in range(0, len(items), _KEYS_AT_ONCE):
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, size in items[start : start + _KEYS_AT_ONCE]:
                    due = (size + self._key_bytes.really) / SCALE
                    pipeline.set(key, bytes(max(1, round(due - self._key_bytes.here))))
                pipeline.execute(raise_on_error=False)


class ModuleStore(Store):
    """Keeps whole modules: all of it is put, all of it goes."""

    # Large hashes are freed in the background otherwise, and until that is done ever more of
    # them are evicted, sometimes all. Pages are small strings, which are freed at once.
    _overrides: ClassVar[Mapping[str, str]] = MappingProxyType({"lazyfree-lazy-eviction": "no"})

    def look_up(self, asked: Asked) -> None:
        """Look up the modules."""
        is_there = self._find([f"m:{module}" for module in asked.modules.tolist()])
        self.lookups += asked.lookups
        self.misses += int((~is_there).sum())
        self.capacity_misses += int((~is_there & asked.are_modules_seen).sum())
        missed = asked.modules[~is_there].tolist()
        for start in range(0, len(missed), _MODULES_AT_ONCE):
            with self._redis.pipeline(transaction=False) as pipeline:
                for module in missed[start : start + _MODULES_AT_ONCE]:
                    self._put_module(pipeline, module)
                pipeline.execute(raise_on_error=False)

    def _put_module(self, pipeline: Any, module: int) -> None:
        """Put a hash as large as the module; in fields, since large values are rounded up."""
        sizes = self._sizes(module)
        size = sizes.names if self.layout == NAMES else sizes.whole
        fields, rest = divmod(max(1, size // SCALE), _FIELD_BYTES)
        values = [_FIELD] * fields + [_FIELD[:rest]]
        for start in range(0, len(values), _FIELDS_AT_ONCE):
            some = enumerate(values[start : start + _FIELDS_AT_ONCE], start)
            pipeline.hset(f"m:{module}", mapping=dict(some))


class PageStore(Store):
    """Keeps pages as workers and servers do: all of a module while there is room."""

    _was_full = False

    def look_up(self, asked: Asked) -> None:
        """Look up directories, dictionaries and pages."""
        modules, pages = asked.modules.tolist(), asked.pages.tolist()
        heads = [f"{kind}:{module}" for kind in "dz" for module in modules]
        found = self._find(heads + [f"p:{page}" for page in pages])
        has_directory, has_dictionary, has_page = np.split(found, [len(modules), len(heads)])
        has_dictionary = has_dictionary | [not self._sizes(module).dictionary for module in modules]
        is_missed = ~has_page | ~(has_directory & has_dictionary)[asked.module_of_page]
        is_known = asked.are_modules_seen[asked.module_of_page]
        self.lookups += asked.lookups
        self.misses += int(is_missed.sum())
        self.capacity_misses += int((is_missed & asked.are_pages_seen).sum())
        self.unput_misses += int((is_missed & is_known & ~asked.are_pages_seen).sum())
        self._put_dictionaries(asked.modules[~has_dictionary].tolist())
        self._put(asked.modules[~has_directory].tolist(), asked.pages[~has_page].tolist())

    def _put_dictionaries(self, modules: Iterable[int]) -> None:
        self._put_values({f"z:{module}": self._sizes(module).dictionary for module in modules})

    def _put(self, modules: Iterable[int], pages: Iterable[int]) -> None:
        wanted = [divmod(page, MOST_PAGES) for page in pages]
        self._put_values(
            {
                f"p:{module * MOST_PAGES + number}": self._sizes(module).pages[number]
                for module, number in wanted
            }
        )
        for module in modules:
            sizes = self._sizes(module)
            if self._has_room():
                first = module * MOST_PAGES
                self._put_values({f"p:{n}": size for n, size in enumerate(sizes.pages, first)})
            self._put_values({f"d:{module}": sizes.directory})

    def _has_room(self) -> bool:
        """Return whether the store has room; once full it stays so, as nothing ever leaves."""
        if not self._was_full:
            used = int(self._redis.info("memory")["used_memory"])
            self._was_full = used >= FULL_SHARE * self._limit
        return not self._was_full
