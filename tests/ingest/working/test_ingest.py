"""One ingest: what it fetches, where it puts it, and how it fails."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
import redis

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim, Freshness
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.results import IngestOutcome, IngestResult
from symbolon_server.insertion.ages import InsertionTerms
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.redis_servers.keys import page_key
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.page_stores import PageStore
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.layout import by_code_id, by_debug_id
from symbolon_server.suppliers.layouts.options import SupplierOptions
from symbolon_server.suppliers.web.http import HttpSupplier, Surroundings
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey, page_owner
from symbolon_server.symbols.paging.directory import decode_directory
from tests.fixtures.memory_store import MemoryPageStore
from tests.fixtures.redis_fixtures import StartRedis
from tests.fixtures.symbol_server import ALL_PATHS, HTML_PAGE, Answer, SymbolServer, symbol_server
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.symbols.reading import misfits
from tests.symbols.reading.misfits import misfit

__all__ = ["symbol_server"]

MANY = 20_000
"""Enough functions for several pages."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that an ingest uses."""

    server: SymbolServer
    suppliers: SupplierChain
    redis: redis.Redis
    store: RedisPageStore
    spool_folder: Path
    spool: Spool


@pytest.fixture
def site(
    symbol_server: SymbolServer, redis_store: redis.Redis, clear_redis_store: None, tmp_path: Path
) -> Site:
    del clear_redis_store
    at_once = Surroundings(lambda: 0.0, lambda _seconds: None, lambda: 1.0)
    url = ServerUrl.parse(symbol_server.url)
    suppliers = SupplierChain([HttpSupplier(url, "symbolon/test", surroundings=at_once)])
    folder = tmp_path / "spool"
    spool = Spool(folder, 1 << 30)
    return Site(symbol_server, suppliers, redis_store, RedisPageStore(redis_store), folder, spool)


def directory_in(store: PageStore | Spool, module_id: ModuleId) -> PageDirectory:
    [directory] = store.get_directories([module_id])
    assert directory is not None
    return decode_directory(module_id, directory)


def pages_in(store: PageStore | Spool, module_id: ModuleId) -> list[int]:
    """Return the numbers of the stored pages."""
    directory = directory_in(store, module_id)
    numbers = range(directory.page_count)
    pages = store.get_pages([PageKey(module_id, directory.generation, n) for n in numbers])
    return [number for number, page in zip(numbers, pages, strict=True) if page is not None]


def test_a_module_is_fetched_read_and_put(site: Site, xul: ModuleId) -> None:
    text = symbol_file(xul, MANY)
    site.server.put(xul, text)
    times = iter([10.0, 12.0, 13.5])
    ingest = Ingest(
        site.suppliers,
        site.store,
        site.spool,
        random=Random(1),
        now=lambda: 1e9,
        clock=lambda: next(times),
    )
    assert ingest.run(AskedModule(xul), [0]) == IngestResult(IngestOutcome.INGESTED)
    directory = directory_in(site.store, xul)
    assert directory.page_count > 2
    assert (
        pages_in(site.store, xul) == pages_in(site.spool, xul) == list(range(directory.page_count))
    )
    assert directory_in(site.spool, xul).generation == directory.generation
    assert directory.facts.functions == MANY
    facts = directory.ingest
    assert (facts.finished_at, facts.seconds, facts.fetched_bytes) == (1e9, 3.5, len(text))
    assert facts.supplier in site.server.url


def test_the_directory_is_put_after_all_pages(site: Site, xul: ModuleId) -> None:
    steps: list[str] = []

    class Watched(MemoryPageStore):
        def put_aged_pages(
            self, pages: Mapping[PageKey, bytes], idle_seconds: Mapping[PageKey, int]
        ) -> None:
            steps.append("pages")
            super().put_aged_pages(pages, idle_seconds)

        def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
            steps.append("directory")
            super().put_directories(directories)

    site.server.put(xul, symbol_file(xul, MANY))
    Ingest(site.suppliers, Watched(64 << 20)).run(AskedModule(xul), [32])
    assert steps[-1] == "directory"
    assert steps.count("directory") == 1
    assert "pages" in steps


@pytest.mark.parametrize(
    "answer",
    [HTML_PAGE, Answer(), Answer(bytes(100))],
    ids=["a login page", "nothing", "zeros"],
)
def test_a_text_that_is_not_a_symbol_file_is_the_suppliers_fault(
    site: Site, xul: ModuleId, answer: Answer
) -> None:
    site.server.answer(ALL_PATHS, answer, Answer(symbol_file(xul, 1)))
    ingest = Ingest(site.suppliers, site.store)
    assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.UNAVAILABLE
    assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.INGESTED


def test_a_module_in_the_spool_is_not_fetched(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    ingest = Ingest(site.suppliers, site.store, site.spool)
    ingest.run(AskedModule(xul), [])
    before = directory_in(site.store, xul)
    site.redis.flushall()
    assert ingest.run(AskedModule(xul), [0]) == IngestResult(IngestOutcome.FROM_SPOOL)
    assert directory_in(site.store, xul).generation == before.generation
    assert pages_in(site.store, xul) == list(range(before.page_count))
    assert site.server.get_count == 1


def test_a_module_in_the_store_is_neither_fetched_nor_put(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul))
    ingest = Ingest(site.suppliers, site.store)
    ingest.run(AskedModule(xul), [0])
    assert ingest.run(AskedModule(xul), [0, 32]) == IngestResult(IngestOutcome.HELD)
    assert site.server.get_count == 1


def test_an_evicted_page_is_put_again_from_the_spool(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    ingest = Ingest(site.suppliers, site.store, site.spool)
    ingest.run(AskedModule(xul), [])
    directory = directory_in(site.store, xul)
    site.redis.delete(f"page:{xul}:{directory.generation}:1")
    beginning = int(directory.first_offsets[1])
    assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.HELD
    assert ingest.run(AskedModule(xul), [beginning]).outcome is IngestOutcome.FROM_SPOOL
    assert 1 in pages_in(site.store, xul)
    assert site.server.get_count == 1


def test_a_page_that_is_put_again_makes_no_other_page_older(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    ingest = Ingest(site.suppliers, site.store, site.spool)
    terms = InsertionTerms(eviction_age=1000.0, was_ingested=True)
    ingest.run(AskedModule(xul), [], terms=terms)
    directory = directory_in(site.store, xul)
    in_use, evicted, lost = (PageKey(xul, directory.generation, number) for number in range(3))
    site.store.touch([], [in_use])
    site.redis.delete(page_key(evicted), page_key(lost))
    wanted = [int(directory.first_offsets[evicted.number])]
    assert ingest.run(AskedModule(xul), wanted, terms=terms).outcome is IngestOutcome.FROM_SPOOL
    for key in (in_use, evicted):
        assert site.redis.object("idletime", page_key(key)) < 60
    assert site.store.get_pages([lost]) == [None]


def test_without_a_spool_an_evicted_page_causes_a_new_ingest(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul))
    ingest = Ingest(site.suppliers, site.store)
    ingest.run(AskedModule(xul), [])
    before = directory_in(site.store, xul).generation
    site.redis.delete(f"page:{xul}:{before}:0")
    assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.INGESTED
    assert directory_in(site.store, xul).generation != before


@pytest.mark.parametrize(
    "damage", [lambda page, _: page[:-1], lambda _, owner: misfit(owner)], ids=["cut", "misfit"]
)
def test_a_damaged_page_in_the_store_is_put_again(
    site: Site, xul: ModuleId, damage: Callable[[bytes, bytes], bytes]
) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    ingest = Ingest(site.suppliers, site.store, site.spool)
    ingest.run(AskedModule(xul), [])
    key = PageKey(xul, directory_in(site.store, xul).generation, 0)
    [page] = site.store.get_pages([key])
    assert page is not None
    site.store.put_pages({key: damage(page, key.owner)})
    assert ingest.run(AskedModule(xul), [0]) == IngestResult(IngestOutcome.FROM_SPOOL)
    assert site.store.get_pages([key]) == [page]


def test_a_module_with_a_damaged_page_file_is_fetched_again(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul))
    ingest = Ingest(site.suppliers, site.store, site.spool)
    ingest.run(AskedModule(xul), [])
    site.redis.flushall()
    [page_file] = site.spool_folder.rglob("*.pages")
    page_file.write_bytes(page_file.read_bytes()[:-100])
    assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.INGESTED
    assert site.server.get_count == 2


@pytest.mark.parametrize("offset", [0, misfits.START])
def test_a_module_with_an_inconsistent_page_in_its_page_file_is_fetched_again(
    site: Site, xul: ModuleId, offset: int
) -> None:
    site.server.put(xul, symbol_file(xul, 200))
    ingest = Ingest(site.suppliers, site.store, site.spool)
    ingest.run(AskedModule(xul), [])
    [directory] = site.spool.get_directories([xul])
    assert directory is not None
    site.redis.flushall()
    owner = page_owner(decode_directory(xul, directory).generation, 0)
    site.spool.put_module(xul, directory, [misfit(owner)])
    assert ingest.run(AskedModule(xul), [offset]).outcome is IngestOutcome.INGESTED
    assert ingest.run(AskedModule(xul), [offset]).outcome is IngestOutcome.HELD
    assert site.server.get_count == 2


class AgedStore(MemoryPageStore):
    """A store that notes the ages that pages are put with, in the order of the puts."""

    def __init__(self) -> None:
        super().__init__(64 << 20)
        self.ages: dict[int, int] = {}

    def put_aged_pages(
        self, pages: Mapping[PageKey, bytes], idle_seconds: Mapping[PageKey, int]
    ) -> None:
        self.ages |= {key.number: idle_seconds[key] for key in pages}
        super().put_aged_pages(pages, idle_seconds)

    def takes_ages(self) -> bool:
        return True


@pytest.mark.parametrize("spooled", [False, True], ids=["fetched", "from the spool"])
def test_wanted_pages_are_put_first_and_as_new_the_others_older(
    site: Site, xul: ModuleId, spooled: bool
) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    if spooled:
        Ingest(site.suppliers, MemoryPageStore(64 << 20), site.spool).run(AskedModule(xul), [])
    store = AgedStore()
    last = (MANY - 1) * 32
    ingest = Ingest(site.suppliers, store, site.spool)
    terms = InsertionTerms(eviction_age=1000.0)
    assert ingest.run(AskedModule(xul), [last, 2**64 - 1], terms=terms).failure is None
    page_count = directory_in(store, xul).page_count
    assert page_count > 2
    others = [(number, 500) for number in range(page_count - 1)]
    assert list(store.ages.items()) == [(page_count - 1, 0), *others]
    assert pages_counted(ingest) == {"new": 1, "aged": page_count - 1, "left_out": 0}


def pages_counted(ingest: Ingest) -> dict[str, int]:
    counts = ingest.counts.counts()
    return {count.labels[0]: count.amount for count in counts if count.metric == "pages_put"}


def test_pages_of_functions_in_use_in_an_earlier_build_are_put_younger(
    site: Site, redis_cache: redis.Redis, clear_redis_cache: None, xul: ModuleId
) -> None:
    times = iter([1000.0, 1600.0, 1600.0])
    memory = InsertionMemory(KeyedCache(redis_cache), lambda: next(times))
    for _ in range(2):
        memory.tell_uses(xul.debug_file, 10, [b"function_%d" % (MANY - 1)])
    site.server.put(xul, symbol_file(xul, MANY))
    store = AgedStore()
    terms = replace(memory.terms(xul), eviction_age=1000.0)
    Ingest(site.suppliers, store).run(AskedModule(xul), [], terms=terms)
    last, *others = sorted(store.ages, key=lambda number: store.ages[number])
    assert last == directory_in(store, xul).page_count - 1
    assert store.ages[last] == 40  # a fifteenth of ten minutes
    assert {store.ages[number] for number in others} == {500}
    # At the largest scale the store would evict the others before they are asked for.
    ingest = Ingest(site.suppliers, AgedStore())
    ingest.run(AskedModule(xul), [], terms=replace(terms, scale=13.5))
    assert pages_counted(ingest) == {"new": 0, "aged": 1, "left_out": len(others)}


def test_without_the_cache_pages_that_nobody_knows_push_out_none_in_use(
    site: Site, start_redis: StartRedis, xul: ModuleId, libc: ModuleId
) -> None:
    server = start_redis("store.conf", maxmemory="8mb", maxmemory_samples="64")
    with connect(server.url) as client:
        store = RedisPageStore(client)
        ballast = [PageKey(libc, "1-a", number) for number in range(1000)]
        pages = {key: os.urandom(10_000) for key in ballast}
        store.put_aged_pages(pages, dict.fromkeys(ballast, 1000))
        assert store.sample_idle_seconds()
        site.server.put(xul, symbol_file(xul, MANY))
        ingest = Ingest(site.suppliers, store)
        assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.INGESTED
        ages = {name: client.object("idletime", name) for name in client.keys(f"page:{xul}:*")}
    wanted, *others = sorted(ages, key=lambda name: ages[name])
    assert ages[wanted] < 60
    assert others
    assert all(500 <= ages[name] < 560 for name in others)


def test_pages_that_would_leave_before_their_use_are_not_put(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    store = AgedStore()
    terms = InsertionTerms(eviction_age=1000.0, scale=10.0)
    Ingest(site.suppliers, store).run(AskedModule(xul), [0], terms=terms)
    assert store.ages == {0: 0}
    assert pages_in(store, xul) == [0]


@pytest.mark.parametrize(("scale", "is_put"), [(0.9, True), (1.1, False)])
def test_a_store_that_takes_no_ages_gets_the_younger_pages_as_new(
    site: Site, xul: ModuleId, scale: float, is_put: bool
) -> None:
    site.server.put(xul, symbol_file(xul, MANY))
    store = MemoryPageStore(64 << 20)
    terms = InsertionTerms(eviction_age=1000.0, scale=scale)
    Ingest(site.suppliers, store).run(AskedModule(xul), [], terms=terms)
    assert pages_in(store, xul) == list(range(directory_in(store, xul).page_count if is_put else 0))


@pytest.mark.parametrize("is_evicted", [False, True], ids=["invalidated", "evicted"])
def test_only_an_evicted_module_is_cold_whatever_functions_it_has(
    site: Site, redis_cache: redis.Redis, clear_redis_cache: None, xul: ModuleId, is_evicted: bool
) -> None:
    memory = InsertionMemory(KeyedCache(redis_cache), lambda: 1000.0)
    for _ in range(2):
        memory.tell_uses(xul.debug_file, 10, [b"function_0"])
    memory.note_ingested(xul)
    terms = replace(memory.terms(xul), eviction_age=1000.0)
    assert terms.was_ingested
    site.server.put(xul, symbol_file(xul, MANY))
    store = AgedStore()
    ingest = Ingest(site.suppliers, store)
    ingest.run(AskedModule(xul), [])
    if is_evicted:
        store.forget(xul)
    ingest.run(AskedModule(xul), [], Freshness(as_of=2, stale_before=1), terms)
    assert store.ages[0] == (500 if is_evicted else 0)
    assert store.ages[1] == 500


def test_a_module_that_no_supplier_has_is_missing(site: Site, xul: ModuleId) -> None:
    result = Ingest(site.suppliers, site.store).run(AskedModule(xul), [0])
    assert result.outcome is IngestOutcome.MISSING
    assert result.detail
    assert site.store.get_directories([xul]) == [None]


def test_a_supplier_that_fails_is_unavailable(site: Site, xul: ModuleId) -> None:
    site.server.answer("*", Answer(status=503, headers={"Retry-After": "17"}))
    result = Ingest(site.suppliers, site.store).run(AskedModule(xul), [0])
    assert result.outcome is IngestOutcome.UNAVAILABLE
    assert result.retry_after_seconds == 17


@pytest.mark.parametrize(
    "make_text",
    [
        symbol_file,
        lambda _: b"MODULE Linux",
        lambda _: b"\x1f\x8b" + b"not gzip",
    ],
    ids=["another module's", "no debug id", "broken gzip"],
)
def test_an_unreadable_symbol_file_or_one_of_another_module_is_malformed(
    site: Site, xul: ModuleId, libc: ModuleId, make_text: Callable[[ModuleId], bytes]
) -> None:
    site.server.put(xul, make_text(libc))
    result = Ingest(site.suppliers, site.store).run(AskedModule(xul), [0])
    assert result.outcome is IngestOutcome.MALFORMED
    assert result.detail


@pytest.mark.parametrize(
    ("recorded", "outcome"), [(0, IngestOutcome.INGESTED), (1, IngestOutcome.MALFORMED)]
)
def test_a_file_found_by_code_id_is_used_if_it_has_the_requested_debug_id(
    site: Site, queue: IngestQueue, desk: ClaimDesk, recorded: int, outcome: IngestOutcome
) -> None:
    """What a caller sends goes through the queue to a supplier that files by code id."""
    asked = AskedModule(numbered_module(0), "app.exe", "6a4b9a365000")
    path = site.server.folder / "app.exe" / "6A4B9A365000" / "app.sym"
    path.parent.mkdir(parents=True)
    path.write_bytes(symbol_file(numbered_module(recorded)))
    supplier = DirectorySupplier(
        site.server.folder, options=SupplierOptions(layouts=(by_debug_id, by_code_id))
    )
    queue.enqueue({asked.module_id: [0]}, Band.AWAITED, asked=[asked])
    claim = desk.claim()
    assert isinstance(claim, Claim)
    ingest = Ingest(SupplierChain([supplier]), site.store)
    assert ingest.run(claim.asked, claim.wanted).outcome is outcome


def test_no_supplier_at_all_is_missing(site: Site, xul: ModuleId) -> None:
    assert (
        Ingest(SupplierChain([]), site.store).run(AskedModule(xul), []).outcome
        is IngestOutcome.MISSING
    )


def test_a_store_that_is_down_is_unavailable_and_the_spool_has_it(
    site: Site, xul: ModuleId
) -> None:
    site.server.put(xul, symbol_file(xul))
    with connect("unix:///nonexistent/socket") as nowhere:
        ingest = Ingest(site.suppliers, RedisPageStore(nowhere), site.spool)
        for _ in range(2):
            assert ingest.run(AskedModule(xul), [0]).outcome is IngestOutcome.NOT_KEPT
    assert pages_in(site.spool, xul) == [0]
    assert site.server.get_count == 1


def test_each_ingest_has_a_generation_of_its_own(site: Site, xul: ModuleId) -> None:
    site.server.put(xul, symbol_file(xul))
    generations: set[str] = set()
    for _ in range(3):
        store = MemoryPageStore(1 << 20)
        Ingest(site.suppliers, store).run(AskedModule(xul), [])
        generations.add(directory_in(store, xul).generation)
    assert len(generations) == 3
