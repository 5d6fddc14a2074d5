"""Which pages of a module are put when it is ingested, and how old: the policy, and other ways."""

from contextlib import ExitStack
from typing import Final, Protocol

import numpy as np

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.insertion.ages import eviction_age_of, insertion_ages
from symbolon_server.insertion.insertion_memory import InsertionMemory, samples_of
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import Timeouts, connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.bench.hit_ratios.world import Keys, Lookups, World

FULL_SHARE: Final = 0.8
"""Where a store counts as full for `WhileThereIsRoom`."""

PATIENT: Final = Timeouts(60.0, 60.0)
"""On a busy machine, where nobody waits for an answer."""

_SAMPLE: Final = 100
_START: Final = 1_700_000_000
"""The Unix time of second 0."""

PageAges = tuple[Keys, Keys]
"""The numbers of the pages to put, in this order, and the ages of these."""


class Server(Protocol):
    """What is asked of a store."""

    @property
    def limit(self) -> int:
        """`maxmemory`, in bytes."""

    @property
    def evictions(self) -> int:
        """How many keys have been evicted."""

    @property
    def used(self) -> int:
        """Bytes, of `limit`."""

    def sample_idle(self, count: int) -> list[int]:
        """Return the idle times of `count` keys drawn by chance."""


class Insertion(Protocol):
    """Says what becomes of the pages of an ingested module that nobody waits for."""

    def miss(self, module: int, number: int) -> None:
        """Note that a page was missing whose directory was there."""

    def tell(self, lookups: Lookups, rows: slice, now: int, server: Server) -> None:
        """Note the lookups since the last time."""

    def ages(self, module: int, now: int, server: Server) -> PageAges:
        """Return which pages to put; the module counts as ingested from then on."""


class AllAsNew:
    """Puts every page as if it had been used now."""

    def __init__(self, world: World) -> None:
        self._all = [np.arange(count, dtype=np.int32) for count in world.pages]
        self._new = [np.zeros(count, np.int32) for count in world.pages]

    def miss(self, module: int, number: int) -> None:
        """Note nothing."""

    def tell(self, lookups: Lookups, rows: slice, now: int, server: Server) -> None:
        """Note nothing."""

    def ages(self, module: int, now: int, server: Server) -> PageAges:
        """Return all pages."""
        file = module % len(self._all)
        return self._all[file], self._new[file]


class WhileThereIsRoom(AllAsNew):
    """Puts every page until 80 % of the memory is used, and then none."""

    _was_full = False

    def ages(self, module: int, now: int, server: Server) -> PageAges:
        """Return all pages or none."""
        self._was_full = self._was_full or server.used >= FULL_SHARE * server.limit
        numbers, ages = super().ages(module, now, server)
        return (numbers[:0], ages[:0]) if self._was_full else (numbers, ages)


class Policy:
    """The insertion policy of `symbolon_server.insertion`, with a cache Redis of its own.

    Its clock is that of the lookups.
    """

    def __init__(self, world: World, opened: ExitStack) -> None:
        self._files = world.files
        self._now = 0.0
        options = EmbeddedOptions(overrides={"appendonly": "no"})
        server = opened.enter_context(EmbeddedRedis.start("cache.conf", options))
        client = opened.enter_context(connect(server.url, PATIENT))
        self._memory = InsertionMemory(KeyedCache(client), lambda: self._now)
        self._missed: set[bytes] = set()

    def miss(self, module: int, number: int) -> None:
        """Note a missed page, if it is in the sample."""
        self._missed.update(samples_of(self._module_id(module), [number]))

    def tell(self, lookups: Lookups, rows: slice, now: int, server: Server) -> None:
        """Tell the cache, as a server does once a second, and sample the store if it is due."""
        self._now = float(_START + now)
        self._tell_uses(lookups.file[rows], lookups.function[rows])
        modules, pages = lookups.module[rows], lookups.page_number[rows]
        asked = [
            sample
            for module in np.unique(modules).tolist()
            for sample in samples_of(
                self._module_id(module), np.unique(pages[modules == module]).tolist()
            )
        ]
        missed, self._missed = self._missed, set()
        if self._memory.tell_pages(missed, asked):
            idle_seconds = server.sample_idle(_SAMPLE)
            age = eviction_age_of(idle_seconds) if server.evictions else None
            self._memory.note_idle_seconds(age)

    def _tell_uses(self, files: Keys, functions: Keys) -> None:
        for file in np.unique(files).tolist():
            names = self._files[file].function_names
            used = {names[function] for function in functions[files == file].tolist()}
            self._memory.tell_uses(_debug_file(file), len(self._files[file].pages), used)

    def ages(self, module: int, now: int, server: Server) -> PageAges:
        """Return what a worker puts."""
        self._now = float(_START + now)
        file = self._files[module % len(self._files)]
        module_id = self._module_id(module)
        terms = self._memory.terms(module_id)
        if not terms.was_ingested:
            self._memory.note_ingested(module_id)
        ages = insertion_ages(terms, len(file.pages), lambda: file.page_functions)
        order = np.argsort(ages, kind="stable")
        put = order[np.isfinite(ages[order])]
        return put.astype(np.int32), ages[put].astype(np.int32)

    def _module_id(self, module: int) -> ModuleId:
        build, file = divmod(module, len(self._files))
        return ModuleId(_debug_file(file), f"{build:032X}0")


def _debug_file(file: int) -> str:
    return f"libfile{file}.so"
