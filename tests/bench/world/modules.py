"""Symbol files read and written as pages, in process, by the code that workers run."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from random import Random

import redis

from symbolon_server.ingest.working.putting import StorableModule, page_keys, pages_for, put_module
from symbolon_server.insertion.ages import ALL_NEW, InsertionTerms
from symbolon_server.redis_servers.keys import page_key
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, PagedModule, PageKey, page_owner
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.directory import encode_directory
from symbolon_server.symbols.paging.envelope import packed_content, stamp
from symbolon_server.symbols.paging.layout import MARK
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.bench.world.symbol_files import SymbolFile

_PIECE_BYTES = 1 << 20
_FACTS = IngestFacts("http://127.0.0.1:12345/", 1.0, 1.0, 1)


@dataclass(frozen=True, slots=True)
class BenchModule:
    """A module as pages, and under which id."""

    module_id: ModuleId
    paged: PagedModule

    def with_another_id(self, random: Random) -> "BenchModule":
        """Return the same pages as those of a module that nobody has seen before."""
        module_id = ModuleId(self.module_id.debug_file, f"{random.getrandbits(128):032X}0")
        generation = new_generation(random)
        pages = tuple(
            stamp(MARK, page_owner(generation, number), packed_content(page))
            for number, page in enumerate(self.paged.pages)
        )
        directory = replace(self.paged.directory, generation=generation)
        return BenchModule(module_id, PagedModule(directory, pages))

    def dictionary(self) -> PageDictionary | None:
        """Return what the pages are unpacked by."""
        key = self.paged.directory.dictionary_key(self.module_id)
        return None if key is None else PageDictionary.decode(key.owner, self.paged.pages[-1])

    @property
    def keys(self) -> list[str]:
        """The keys of all pages in a store, with that of the page dictionary."""
        directory = self.paged.directory
        numbers = range(directory.stored_count)
        return list(map(page_key, page_keys(self.module_id, directory, numbers)))

    def put(self, store: redis.Redis, terms: InsertionTerms = ALL_NEW) -> None:
        """Put the whole module, as an ingest does."""
        directory, pages = self.paged.directory, self.paged.pages
        module = StorableModule(
            self.module_id,
            directory,
            encode_directory(self.module_id, directory),
            lambda keys: [pages[key.number] for key in keys],
        )
        put_module(RedisPageStore(store), module, [], terms)

    def put_some(self, store: redis.Redis, offsets: Collection[int]) -> list[PageKey]:
        """Put the directory and the pages for these offsets; return the keys of the pages."""
        directory = self.paged.directory
        keys = page_keys(self.module_id, directory, pages_for(directory, offsets))
        pages = RedisPageStore(store)
        pages.put_pages({key: self.paged.pages[key.number] for key in keys})
        pages.put_directories({self.module_id: encode_directory(self.module_id, directory)})
        return keys


def read_table(file: SymbolFile) -> SymbolTable:
    """Return everything that a symbol file says."""
    reader = SymbolFileReader(file.module_id)
    with file.path.open("rb") as opened:
        return reader.read(iter(lambda: opened.read(_PIECE_BYTES), b""))


def read_module(file: SymbolFile, random: Random) -> BenchModule:
    """Return the pages of a symbol file."""
    return page_table(file, read_table(file), random)


def page_table(
    file: SymbolFile, table: SymbolTable, random: Random, page_weight: int | None = None
) -> BenchModule:
    """Return the pages of what a symbol file says, of this weight if one is given."""
    paged = write_pages(table, new_generation(random), _FACTS, page_weight)
    return BenchModule(file.module_id, paged)


def columns_bytes(table: SymbolTable) -> int:
    """Return the bytes of everything that a symbol file says, as it is in memory."""
    groups = (table.ranges, table.symbols, table.chains)
    columns = [getattr(group, field.name) for group in groups for field in fields(group)]
    return sum(int(column.nbytes) for column in columns) + sum(map(len, table.texts))
