"""What the modules of the hit ratio's workload take in a store."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Final

import numpy as np
import redis

from symbolon_server.insertion.ages import PageFunctions
from symbolon_server.insertion.page_functions import functions_of_pages
from symbolon_server.redis_servers.keys import page_key
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.directory import encode_directory
from symbolon_server.symbols.paging.sizes import MAX_PAGE_WEIGHT
from symbolon_server.symbols.paging.writer import new_generation
from symbolon_server.symbols.reading.symbol_table import NO_SYMBOL, SymbolTable
from tests.bench.parts.memory import used_memory
from tests.bench.parts.names_only import put_names, read_names
from tests.bench.world.modules import page_table, read_table
from tests.bench.world.symbol_files import SymbolFile
from tests.bench.world.workload import Numbers

SEED: Final = 31

_KEYS_AT_ONCE: Final = 100
"""They go to a store together."""

_ROUNDS: Final = 2
"""How often the values are made anew, by what the keys of the round before took."""

_NAME_BYTES: Final = 3


@dataclass(frozen=True, slots=True)
class KeyBytes:
    """What a key takes beside its value, in bytes."""

    here: float
    """With the short texts of this benchmark."""

    really: float
    """With the texts that the keys of pages have."""

    @classmethod
    def measure(
        cls, module_id: ModuleId, sizes: Sequence[int], scale: int, count: int
    ) -> "KeyBytes":
        """Put so many keys of both kinds into a store and see how it grows.

        `sizes` are those of pages; here values are about as large as them divided by `scale`.
        """
        some = list(islice(cycle(sizes), count))
        generation = new_generation(Random(SEED))
        pages = [page_key(PageKey(module_id, generation, number)) for number in range(count)]
        really = _bytes_beside(pages, some)
        here = 0.0
        for _ in range(_ROUNDS):
            shares = [max(1, round((size + really) / scale - here)) for size in some]
            here = _bytes_beside([name_of(number) for number in range(count)], shares)
        return cls(here, really)


def name_of(key: int) -> bytes:
    """Return the short text of a key."""
    return key.to_bytes(_NAME_BYTES, "big")


def _bytes_beside(keys: Sequence[str | bytes], sizes: Sequence[int]) -> float:
    """Return what each of `keys` takes beside its value, in the mean over values of `sizes`."""

    def put(store: redis.Redis) -> None:
        pairs = zip(keys, sizes, strict=True)
        with store.pipeline(transaction=False) as pipeline:
            while some := list(islice(pairs, _KEYS_AT_ONCE)):
                for key, size in some:
                    pipeline.set(key, bytes(size))
                pipeline.execute()

    return (used_memory(put) - sum(sizes)) / len(sizes)


@dataclass(frozen=True, slots=True)
class ModuleSizes:
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

    function_names: Sequence[bytes]
    page_functions: PageFunctions
    """All functions of each page, as an ingest finds them."""


def sizes_of(file: SymbolFile) -> ModuleSizes:
    table = read_table(file)
    paged = page_table(file, table, Random(SEED)).paged
    large = page_table(file, table, Random(SEED), MAX_PAGE_WEIGHT).paged
    names = read_names(file)
    sizes = [len(page) for page in paged.pages]
    return ModuleSizes(
        sizes[: paged.directory.page_count],
        sum(sizes[paged.directory.page_count :]),
        len(encode_directory(file.module_id, paged.directory)),
        large.directory.stored_bytes + len(encode_directory(file.module_id, large.directory)),
        used_memory(lambda store: put_names(store, file.module_id, names)),
        *_functions(table, paged.directory),
        functions_of_pages(table, paged.directory),
    )


def _functions(table: SymbolTable, directory: PageDirectory) -> tuple[Numbers, list[bytes]]:
    """Choose one range of each function, where it calls; return the pages of those, and names."""
    ranges = table.ranges
    rows = np.random.default_rng(SEED).permutation(np.flatnonzero(ranges.symbol != NO_SYMBOL))
    symbols, chosen = np.unique(ranges.symbol[rows], return_index=True)
    starts = ranges.start[rows[chosen]]
    pages: Numbers = directory.first_offsets.searchsorted(starts, side="right") - 1
    return pages, [bytes(table.texts[name]) for name in table.symbols.name[symbols].tolist()]
