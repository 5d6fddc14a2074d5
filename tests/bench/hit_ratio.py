"""Misses of a bounded store under a crash workload: pages, whole modules, and names only."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, cycle, islice
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
import redis
from numpy.typing import NDArray

from symbolon_server.cache.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.cache.keys import page_key
from symbolon_server.cache.redis_store import FULL_SHARE
from symbolon_server.cache.servers import connect
from symbolon_server.symbols.directory_format import encode_directory
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.page_sizes import MAX_PAGE_WEIGHT
from symbolon_server.symbols.page_writer import new_generation
from symbolon_server.symbols.pages import PageDirectory, PageKey
from symbolon_server.symbols.symbol_table import NO_SYMBOL, Ranges
from tests.bench.memory import used_memory
from tests.bench.modules import page_table, read_table
from tests.bench.names_only import put_names, read_names
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Plot, Table
from tests.bench.symbol_files import SymbolFile
from tests.bench.workload import STAYS, Numbers, Workload

_SEED = 31
_SCALE: Final = 10
"""Everything is kept at a fraction of its size, in stores of the same fraction."""

_BATCH: Final = 5_000
"""Lookups between two looks into the stores; Redis tells ages in seconds, which is longer."""

_SAMPLE_KEYS: Final = 5_000
_SAMPLE_BYTES, _REAL_SAMPLE_BYTES = 200, 2_500
"""How many values of about which sizes tell what a key takes: here, and at full size."""

_FIELD_BYTES: Final = 4_000
_FIELD: Final = bytes(_FIELD_BYTES)
_KEYS_AT_ONCE, _FIELDS_AT_ONCE, _MODULES_AT_ONCE = 100, 20, 4
"""A request counts as used memory while it is read: a large one would push out what is kept."""

_LIMIT: Final = 0.01
_OF_WHOLE, _OF_NAMES = 0.25, 0.6
_HOPELESS: Final = 3 * _LIMIT
"""A store that misses so many of the lookups so far is far too small, and is given up: the longer
it lasts the more it misses."""

_SOON: Final = 0.02
"""The share of all lookups after which a store may be given up."""

_MOST_PAGES: Final = 1 << 14

_PAGES, _WHOLE, _NAMES = "pages", "whole modules", "names only, whole modules"
_SHARES: Final = {
    _PAGES: (1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0),
    _WHOLE: (10.0, 14.0, 16.0, 20.0),
    _NAMES: (6.3, 10.0, 16.0, 25.0),
}
"""Sizes of the stores, as shares of what one build of all modules takes, whole or only names."""

_TOUCH = """
local found = {}
for number, key in ipairs(KEYS) do found[number] = redis.call('TOUCH', key) end
return table.concat(found)
"""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _KeyBytes:
    """What a key takes beside its value, in bytes."""

    here: float
    """With the short texts of this benchmark."""

    really: float
    """With the texts that the keys of pages have."""

    @classmethod
    def measure(cls, module_id: ModuleId) -> "_KeyBytes":
        """Put keys of both kinds into a store and see how it grows."""
        generation = new_generation(Random(_SEED))
        pages = [PageKey(module_id, generation, number) for number in range(_SAMPLE_KEYS)]
        here = [f"p:{number}" for number in range(_MOST_PAGES, _MOST_PAGES + _SAMPLE_KEYS)]
        return cls(
            _bytes_beside(here, _SAMPLE_BYTES),
            _bytes_beside(list(map(page_key, pages)), _REAL_SAMPLE_BYTES),
        )


def _bytes_beside(keys: Sequence[str], size: int) -> float:
    """Return what each of `keys` takes beside its value, which is of this size or a little more."""
    values = {key: bytes(size + number % 16) for number, key in enumerate(keys)}

    def put(store: redis.Redis) -> None:
        for key, value in values.items():
            store.set(key, value)

    return (used_memory(put) - sum(map(len, values.values()))) / len(values)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What one module takes, in bytes of a store at full size."""

    pages: Sequence[int]
    dictionary: int
    """0 where the pages need none."""

    directory: int
    whole: int
    """All of the module as one key, with pages of the largest weight: they take the least."""

    names: int

    pages_of_functions: Numbers
    """Shape (functions,): on which page each function or public symbol is looked up."""


def run(bench: Bench) -> PartResult:
    """Let the same lookups fall on stores of several sizes at once, each a real Redis."""
    sizes = _read_sizes(bench)
    # As in a real process: few large modules, which most frames are in, and many small ones.
    modules = list(islice(chain(sizes, cycle(sizes[-2:])), bench.plan.hit_modules))
    key_bytes = _KeyBytes.measure(bench.files[0].module_id)
    with ExitStack() as opened:
        simulations = [
            _Simulation(bench, modules, key_bytes, exponent, opened)
            for exponent in bench.plan.hit_exponents
        ]
        batches = range(0, bench.plan.hit_lookups, _BATCH)
        bench.progress.begin("hit_ratio: lookups", len(batches))
        # Side by side, so that more seconds pass between the first and the last lookup.
        for start in batches:
            for simulation in simulations:
                simulation.look_up(start)
            bench.progress.advance()
    return _result(bench, simulations)


def _read_sizes(bench: Bench) -> list[_Sizes]:
    bench.progress.begin("hit_ratio: symbol files are read", len(bench.files))
    sizes = []
    for file in bench.files:
        sizes.append(_sizes_of(file))
        bench.progress.advance()
    return sizes


def _sizes_of(file: SymbolFile) -> _Sizes:
    table = read_table(file)
    paged = page_table(file, table, Random(_SEED)).paged
    large = page_table(file, table, Random(_SEED), MAX_PAGE_WEIGHT).paged
    names = read_names(file)
    sizes = [len(page) for page in paged.pages]
    return _Sizes(
        sizes[: paged.directory.page_count],
        sum(sizes[paged.directory.page_count :]),
        len(encode_directory(file.module_id, paged.directory)),
        large.directory.stored_bytes + len(encode_directory(file.module_id, large.directory)),
        used_memory(lambda store: put_names(store, file.module_id, names)),
        _pages_of_functions(table.ranges, paged.directory),
    )


def _pages_of_functions(ranges: Ranges, directory: PageDirectory) -> Numbers:
    """Choose one range of each function, where it calls, and return the pages of those."""
    rows = np.random.default_rng(_SEED).permutation(np.flatnonzero(ranges.symbol != NO_SYMBOL))
    _, chosen = np.unique(ranges.symbol[rows], return_index=True)
    starts = ranges.start[rows[chosen]]
    pages: Numbers = directory.first_offsets.searchsorted(starts, side="right") - 1
    return pages


class _Simulation:
    """One workload on all stores."""

    def __init__(
        self,
        bench: Bench,
        modules: Sequence[_Sizes],
        key_bytes: _KeyBytes,
        exponent: float,
        opened: ExitStack,
    ) -> None:
        self.exponent = exponent
        self._lookups = Workload.draw(
            np.random.default_rng(_SEED),
            bench.plan.hit_lookups,
            bench.plan.hit_builds,
            [module.pages_of_functions for module in modules],
            exponent,
        )
        self._modules = len(modules)
        keys = bench.plan.hit_builds * len(modules)
        self._seen_modules = np.zeros(keys, np.bool_)
        self._seen_pages = np.zeros(keys * _MOST_PAGES, np.bool_)
        self.stores: list[_Store] = []
        for layout, shares in _SHARES.items():
            build = sum(module.names if layout == _NAMES else module.whole for module in modules)
            make = _PageStore if layout == _PAGES else _ModuleStore
            self.stores += [
                make(layout, round(build * share), modules, key_bytes, opened) for share in shares
            ]

    def look_up(self, start: int) -> None:
        """Let the next lookups fall on every store."""
        rows = slice(start, start + _BATCH)
        lookups = self._lookups
        module = lookups.build[rows] * self._modules + lookups.module[rows]
        asked = _Asked.of(module, lookups.page[rows], self._seen_modules, self._seen_pages)
        is_soon = start < _SOON * len(lookups.build)
        for store in self.stores:
            if is_soon or store.capacity_share < _HOPELESS:
                store.look_up(asked)
        self._seen_modules[asked.modules] = True
        self._seen_pages[asked.pages] = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a batch asks for, each thing once: what is asked for again is there by then."""

    lookups: int
    modules: Numbers
    pages: Numbers
    """The module times `_MOST_PAGES`, plus the page."""

    module_of_page: Numbers
    """Shape (pages,): the row in `modules`."""

    are_modules_seen: Flags
    are_pages_seen: Flags

    @classmethod
    def of(cls, module: Numbers, page: Numbers, modules_seen: Flags, pages_seen: Flags) -> "_Asked":
        """Return what is asked for of `page` of `module`, and whether it was asked before."""
        pages = np.unique(module * _MOST_PAGES + page)
        modules, rows = np.unique(pages // _MOST_PAGES, return_inverse=True)
        return cls(len(module), modules, pages, rows, modules_seen[modules], pages_seen[pages])


class _Store:
    """A Redis of a fixed size, and what was missed in it."""

    _overrides: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self,
        layout: str,
        max_bytes: int,
        modules: Sequence[_Sizes],
        key_bytes: _KeyBytes,
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
        self._limit = max_bytes // _SCALE + int(self._redis.info("memory")["used_memory"])
        self._redis.config_set("maxmemory", self._limit)

    @property
    def capacity_share(self) -> float:
        """The share of lookups that missed for lack of memory, up to where it was given up."""
        return self.capacity_misses / self.lookups

    def look_up(self, asked: _Asked) -> None:
        """Look up everything that is asked, count misses and put what was missed."""
        raise NotImplementedError

    def _find(self, keys: Sequence[str]) -> Flags:
        """Return which keys are there; they count as used now."""
        found: Flags = np.frombuffer(self._touch(keys=keys), np.uint8) == ord("1")
        return found

    def _sizes(self, module: int) -> _Sizes:
        return self._modules[module % len(self._modules)]

    def _put_values(self, values: Mapping[str, int]) -> None:
        """Put values of these sizes at full size; what a full store refuses is not kept."""
        items = list(values.items())
        for start in range(0, len(items), _KEYS_AT_ONCE):
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, size in items[start : start + _KEYS_AT_ONCE]:
                    due = (size + self._key_bytes.really) / _SCALE
                    pipeline.set(key, bytes(max(1, round(due - self._key_bytes.here))))
                pipeline.execute(raise_on_error=False)


class _ModuleStore(_Store):
    """Keeps whole modules: all of it is put, all of it goes."""

    # Large hashes are freed in the background otherwise, and until that is done ever more of
    # them are evicted, sometimes all. Pages are small strings, which are freed at once.
    _overrides: ClassVar[Mapping[str, str]] = MappingProxyType({"lazyfree-lazy-eviction": "no"})

    def look_up(self, asked: _Asked) -> None:
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
        size = sizes.names if self.layout == _NAMES else sizes.whole
        fields, rest = divmod(max(1, size // _SCALE), _FIELD_BYTES)
        values = [_FIELD] * fields + [_FIELD[:rest]]
        for start in range(0, len(values), _FIELDS_AT_ONCE):
            some = enumerate(values[start : start + _FIELDS_AT_ONCE], start)
            pipeline.hset(f"m:{module}", mapping=dict(some))


class _PageStore(_Store):
    """Keeps pages as workers and servers do: all of a module while there is room."""

    _was_full = False

    def look_up(self, asked: _Asked) -> None:
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
        wanted = [divmod(page, _MOST_PAGES) for page in pages]
        self._put_values(
            {
                f"p:{module * _MOST_PAGES + number}": self._sizes(module).pages[number]
                for module, number in wanted
            }
        )
        for module in modules:
            sizes = self._sizes(module)
            if self._has_room():
                first = module * _MOST_PAGES
                self._put_values({f"p:{n}": size for n, size in enumerate(sizes.pages, first)})
            self._put_values({f"d:{module}": sizes.directory})

    def _has_room(self) -> bool:
        """Return whether the store has room; once full it stays so, as nothing ever leaves."""
        if not self._was_full:
            used = int(self._redis.info("memory")["used_memory"])
            self._was_full = used >= FULL_SHARE * self._limit
        return not self._was_full


def memory_at(limit: float, points: Sequence[tuple[float, float]]) -> float:
    """Return the memory at which the share of misses falls to `limit`; NaN where it never does.

    `points` are pairs of memory and share, ascending; between two of them the logarithms of
    both are taken to lie on a line.
    """
    before: tuple[float, float] | None = None
    for memory, share in points:
        if share <= limit:
            if before is None or share <= 0:
                return memory
            part = math.log(before[1] / limit) / math.log(before[1] / share)
            return before[0] * math.pow(memory / before[0], part)
        before = memory, share
    return math.nan


def _result(bench: Bench, simulations: Sequence[_Simulation]) -> PartResult:
    needs, rows, bars, plots = [], [], [], []
    for simulation in simulations:
        exponent = simulation.exponent
        curves = {
            layout: [
                (store.max_bytes / MB, store.capacity_share)
                for store in simulation.stores
                if store.layout == layout
            ]
            for layout in _SHARES
        }
        need = {layout: memory_at(_LIMIT, curve) for layout, curve in curves.items()}
        of_whole, of_names = need[_PAGES] / need[_WHOLE], need[_PAGES] / need[_NAMES]
        needs.append([exponent, *(map(_shown, (*need.values(), of_whole, of_names)))])
        for figure, limit, what in (
            (of_whole, _OF_WHOLE, "whole modules"),
            (of_names, _OF_NAMES, "names only"),
        ):
            if not math.isnan(figure):
                name = f"memory at 1 % capacity misses ÷ {what}, Zipf {exponent}"
                bars.append(Bar(name, figure, limit, is_floor=False))
        rows += [_row(exponent, store) for store in simulation.stores]
        plots.append(
            Plot(
                f"hit-ratio-{exponent}",
                f"Misses for lack of memory, Zipf {exponent}",
                "maxmemory (MB)",
                "% of lookups",
                {
                    layout: [(memory, max(share * 100, 0.001)) for memory, share in curve]
                    for layout, curve in curves.items()
                },
                is_log=True,
            )
        )
    return PartResult(
        part="hit_ratio",
        tables=[
            Table(
                "Memory (MB) at which 1 % of lookups miss for lack of it",
                ("Zipf exponent", *_SHARES, "pages ÷ whole", "pages ÷ names"),
                needs,
            ),
            Table("Every store", _COLUMNS, rows),
        ],
        bars=bars,
        plots=plots,
        notes=_notes(bench),
    )


_COLUMNS: Final = (
    "Zipf exponent",
    "kept",
    "maxmemory (MB)",
    "hits (%)",
    "capacity misses (%)",
    "pages never asked for before, not put (%)",
)


def _row(exponent: float, store: _Store) -> tuple[float | str, ...]:
    return (
        exponent,
        store.layout,
        store.max_bytes / MB,
        100 - 100 * store.misses / store.lookups,
        100 * store.capacity_share,
        100 * store.unput_misses / store.lookups,
    )


def _shown(figure: float) -> float | str:
    return "not reached" if math.isnan(figure) else figure


def _notes(bench: Bench) -> list[str]:
    plan = bench.plan
    workload = (
        f"{plan.hit_lookups:,} lookups in {plan.hit_modules} modules (each symbol file once, "
        f"then the two smallest again and again), {plan.hit_builds} builds one after the other; "
        "each build is the newest for the same number of lookups, and a build's share falls by "
        f"{STAYS} with each newer one. "
        "Modules, and functions within a module, by Zipf's law; a function is looked up at one "
        f"of its ranges, chosen by chance for all builds, as is its rank; seed {_SEED}."
    )
    stores = (
        f"Every store is a real Redis with allkeys-lru; keys and stores are at 1/{_SCALE} of "
        "their size, figures are at full size. One that is far too small is given up soon."
    )
    misses = (
        "A miss for lack of memory (capacity miss) is one of something that had been asked for "
        "before. A full store is given only the pages that are asked for: the last column is "
        "the first use of those that an unlimited store would have been given with the rest of "
        "their module. Their number has a limit, the number of pages, however many lookups there "
        "are; they come from the spool."
    )
    return [workload, stores, misses]
