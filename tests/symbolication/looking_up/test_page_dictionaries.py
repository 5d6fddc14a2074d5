"""Pages that are unpacked by a dictionary, which may be gone or damaged on its own."""

from itertools import count

import pytest
import redis

from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.results import IngestOutcome
from symbolon_server.insertion.ages import InsertionTerms
from symbolon_server.redis_servers.keys import page_key
from symbolon_server.store.redis_store import RecentUse, RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.symbolication.memory.queries import FrameQuery, ModuleOutcome, TierName
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.directory import decode_directory
from tests.fixtures.symbol_server import SymbolServer
from tests.fixtures.wordy_symbols import FUNCTIONS, wordy_symbol_file
from tests.symbolication.conftest import (
    Host,
    IngestNow,
    OpenHost,
    calls,
    new_calls,
    query,
)

LAST = (FUNCTIONS - 1) * 16
WORDY = ModuleId.parse("wordy.so", "A" * 33)


@pytest.fixture(scope="module")
def symbol_text() -> bytes:
    return wordy_symbol_file(WORDY)


@pytest.fixture
def wordy(
    symbol_text: bytes,
    supplier: SymbolServer,
    ingest_now: IngestNow,
    spool: Spool,
    clear_redis_store: None,
) -> ModuleId:
    """A module with a page dictionary, in the store and in the spool."""
    supplier.put(WORDY, symbol_text)
    ingest_now(WORDY, spool)
    return WORDY


@pytest.fixture
def spooling(open_host: OpenHost, spool: Spool) -> Host:
    return open_host(spool)


@pytest.fixture
def dictionary_key(wordy: ModuleId, redis_store: redis.Redis) -> str:
    """The store's key of the module's dictionary."""
    (data,) = RedisPageStore(redis_store).get_directories([wordy])
    assert data is not None
    key = decode_directory(wordy, data).dictionary_key(wordy)
    assert key is not None
    return page_key(key)


def is_function(name: str, number: int) -> bool:
    return name.endswith(f"<{number}>::operator()(int)")


def check(host: Host, module_id: ModuleId) -> None:
    answer = host.find(module_id, 0, LAST)
    first, last = answer.functions
    assert is_function(first, 0)
    assert is_function(last, FUNCTIONS - 1)
    assert answer.symbolication.diagnostics.ingests == 0


def test_a_dictionary_comes_with_the_pages_in_one_request_and_once(
    wordy: ModuleId, host: Host, redis_store: redis.Redis
) -> None:
    before = calls(redis_store)
    answer = host.find(wordy, 0, LAST)
    assert new_calls(redis_store, before, "mget", "get") == {"mget": 2, "get": 0}
    assert answer.symbolication.diagnostics.tiers[TierName.STORE].lookups == 1 + 2 + 1
    answer = host.find(wordy, LAST // 2)
    assert answer.symbolication.diagnostics.tiers[TierName.STORE].lookups == 1


@pytest.mark.promise(
    "A lost or damaged page dictionary changes no answer and is replaced", group="pages"
)
def test_an_evicted_dictionary_comes_from_the_spool_and_goes_back_into_the_store(
    wordy: ModuleId, dictionary_key: str, spooling: Host, redis_store: redis.Redis
) -> None:
    dictionary = redis_store.get(dictionary_key)
    redis_store.delete(dictionary_key)
    check(spooling, wordy)
    assert redis_store.get(dictionary_key) == dictionary


@pytest.mark.promise("A lost or damaged page dictionary changes no answer and is replaced")
def test_a_damaged_dictionary_is_replaced_from_the_spool(
    wordy: ModuleId, dictionary_key: str, spooling: Host, redis_store: redis.Redis
) -> None:
    dictionary = redis_store.get(dictionary_key)
    assert isinstance(dictionary, bytes)
    redis_store.set(dictionary_key, dictionary[:-1])
    check(spooling, wordy)
    assert redis_store.get(dictionary_key) == dictionary


@pytest.mark.promise("A lost or damaged page dictionary changes no answer and is replaced")
def test_without_its_dictionary_a_module_is_pending_and_put_again_by_the_next_ingest(
    wordy: ModuleId, dictionary_key: str, host: Host, spool: Spool, redis_store: redis.Redis
) -> None:
    redis_store.delete(dictionary_key)
    assert host.find(wordy, 0).results[0].outcome is ModuleOutcome.PENDING
    ingest = Ingest(SupplierChain([]), RedisPageStore(redis_store), spool)
    assert ingest.run(AskedModule(wordy), [0]).outcome is IngestOutcome.FROM_SPOOL
    assert ingest.run(AskedModule(wordy), [0]).outcome is IngestOutcome.HELD
    check(host, wordy)


def test_a_full_store_gets_the_dictionary_of_requested_pages(
    wordy: ModuleId,
    dictionary_key: str,
    spool: Spool,
    redis_store: redis.Redis,
) -> None:
    redis_store.flushall()
    ingest = Ingest(SupplierChain([]), RedisPageStore(redis_store), spool)
    terms = InsertionTerms(eviction_age=1000.0, scale=10.0)
    outcome = ingest.run(AskedModule(wordy), [0], terms=terms).outcome
    assert outcome is IngestOutcome.FROM_SPOOL
    assert redis_store.exists(dictionary_key)
    assert len(redis_store.keys("page:*")) == 2


@pytest.mark.promise("A lost or damaged page dictionary changes no answer and is replaced")
def test_a_memory_too_small_for_a_dictionary_answers_all_the_same(
    wordy: ModuleId, host: Host
) -> None:
    host.held.dictionaries._max_bytes = 1
    check(host, wordy)
    check(host, wordy)


def test_the_dictionary_of_pages_in_memory_is_touched_in_the_store(
    wordy: ModuleId, open_host: OpenHost, redis_store: redis.Redis
) -> None:
    now = count(0, 10)
    recent_use = RecentUse(RedisPageStore(redis_store), touch_seconds=0.0)
    host = open_host(recent_use=recent_use, clock=lambda: float(next(now)))
    host.find(wordy, 0, LAST)
    hits = redis_store.info("stats")["keyspace_hits"]
    host.find(wordy, 0, LAST)
    # The directory, the dictionary and two pages.
    assert redis_store.info("stats")["keyspace_hits"] == hits + 4


def test_several_modules_with_dictionaries_do_not_mix_them(
    wordy: ModuleId, supplier: SymbolServer, ingest_now: IngestNow, host: Host
) -> None:
    other = ModuleId.parse("wordy.so", "B" * 33)
    supplier.put(other, wordy_symbol_file(other))
    ingest_now(other)
    stack = [FrameQuery(index, offset, False) for offset in (0, LAST) for index in (0, 1)]
    answer = host.ask([query(wordy), query(other)], [stack])
    numbers = [0, 0, FUNCTIONS - 1, FUNCTIONS - 1]
    assert all(map(is_function, answer.functions, numbers))
    assert len(set(answer.functions)) == 4
