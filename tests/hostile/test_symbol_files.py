"""Hostile symbol files take bounded time and memory, and have a clear outcome."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import psutil
import pytest
import redis

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.ingest_process import WorkLimits
from symbolon_server.ingest.working.job_runner import JobRunner, WorkerOptions
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath, by_debug_id
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging.dictionary import PageDictionary
from symbolon_server.symbols.paging.directory import decode_directory
from symbolon_server.symbols.paging.reader import Page
from tests.hostile.symbol_files import (
    FIRST_FUNCTION,
    FIRST_OFFSET,
    HOSTILE_FILES,
    MODULE_ID,
    HostileFile,
    make,
)

pytestmark = pytest.mark.filterwarnings(
    # numpy's threads have fork handlers; Python 3.12 and later warn about any thread
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)

GIB = 1 << 30
SMALL_BYTES = 2 * GIB
SMALL_SECONDS = 20.0
FULL_LIMITS = WorkLimits()
LONGEST_ANSWER = 64 * 1024

EVERY_FILE = pytest.mark.parametrize("file", HOSTILE_FILES.values(), ids=list(HOSTILE_FILES))


class HostileSupplier:
    """Supplies one hostile file of one size."""

    def __init__(self, file: HostileFile, size: int) -> None:
        self._file = file
        self._size = size

    @property
    def name(self) -> str:
        return "hostile"

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        assert asked == AskedModule(MODULE_ID)
        return list(by_debug_id(asked))

    def lacks(self, asked: AskedModule) -> str:
        del asked
        return ""

    @contextmanager
    def fetch(self, candidate: CandidatePath) -> Iterator[SymbolFileStream]:
        del candidate
        yield SymbolFileStream(make(self._file, self._size), FetchLimits())


Run = Callable[[HostileFile, int, WorkLimits], Failure | None]


@pytest.fixture
def store(redis_store: redis.Redis, clear_redis_store: None) -> RedisPageStore:
    del clear_redis_store
    return RedisPageStore(redis_store)


@pytest.fixture
def run(redis_cache: redis.Redis, clear_redis_cache: None, store: RedisPageStore) -> Run:
    """Return a function that ingests a hostile file like a worker and returns the failure."""
    del clear_redis_cache
    memory = ModuleMemory.of(KeyedCache(redis_cache))
    desk = ClaimDesk(redis_cache, lease_seconds=60.0)

    def run(file: HostileFile, size: int, limits: WorkLimits) -> Failure | None:
        ingest = Ingest(SupplierChain([HostileSupplier(file, size)]), store)
        IngestQueue(redis_cache).enqueue({MODULE_ID: [FIRST_OFFSET]}, Band.AWAITED)
        claim = desk.claim()
        assert isinstance(claim, Claim)
        insertion = InsertionMemory(KeyedCache(redis_cache))
        JobRunner(desk, ingest, memory, insertion, WorkerOptions(limits)).run(claim, lambda: True)
        return memory.failures.get_many([MODULE_ID]).get(MODULE_ID)

    return run


def read_directory(store: RedisPageStore) -> PageDirectory:
    (directory,) = store.get_directories([MODULE_ID])
    assert directory is not None
    return decode_directory(MODULE_ID, directory)


def read_page(store: RedisPageStore, directory: PageDirectory, number: int) -> Page:
    key = PageKey(MODULE_ID, directory.generation, number)
    (page,) = store.get_pages([key])
    assert page is not None
    return Page.decode(key.owner, page, read_dictionary(store, directory))


def read_dictionary(store: RedisPageStore, directory: PageDirectory) -> PageDictionary | None:
    key = directory.dictionary_key(MODULE_ID)
    if key is None:
        return None
    (data,) = store.get_pages([key])
    assert data is not None
    return PageDictionary.decode(key.owner, data)


def check_first_function(store: RedisPageStore) -> None:
    directory = read_directory(store)
    number = directory.find_page(FIRST_OFFSET)
    assert number is not None
    answer = read_page(store, directory, number).find(FIRST_OFFSET)
    assert answer is not None
    assert answer.function == FIRST_FUNCTION


def check_every_answer(store: RedisPageStore) -> None:
    """Check that the answers of the first and last page are short."""
    directory = read_directory(store)
    assert (np.diff(directory.first_offsets) > 0).all()
    for number in {0, directory.page_count - 1}:
        page = read_page(store, directory, number)
        for row in range(len(page.range_start)):
            answer = page.encoded_answer(row)
            assert answer is None or len(answer[1]) <= LONGEST_ANSWER


@pytest.mark.promise(
    "Hostile symbol files take bounded time and memory, with a clear outcome", group="limits"
)
@EVERY_FILE
def test_a_small_hostile_file_is_read(file: HostileFile, run: Run, store: RedisPageStore) -> None:
    # The fork includes this process's memory, which grows with each earlier test.
    limits = WorkLimits(psutil.Process().memory_info().vms + SMALL_BYTES, SMALL_SECONDS)
    assert run(file, file.small, limits) is None
    check_first_function(store)
    check_every_answer(store)


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@pytest.mark.hostile
@pytest.mark.timeout(900)
@EVERY_FILE
def test_a_hostile_file_is_read_or_is_malformed(
    file: HostileFile, run: Run, store: RedisPageStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "symbolon_server"):
        failure = run(file, file.full, FULL_LIMITS)
    print([record.__dict__["symbolon_fields"] for record in caplog.records])  # noqa: T201 - shown by `make hostile`
    if failure is None:
        check_first_function(store)
        return
    assert file.is_too_much
    assert failure.kind is FailureKind.MALFORMED
    assert failure.detail == f"reading it takes more than {FULL_LIMITS.memory_bytes >> 20} MiB"
