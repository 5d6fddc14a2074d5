"""Where answers come from: memory, store and spool, and which of their bytes are valid."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from symbolon_server.redis_servers.keys import directory_key, page_key
from symbolon_server.store.redis_store import RecentUse, RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.looking_up import lookup
from symbolon_server.symbolication.memory.queries import FrameQuery, ModuleOutcome, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey
from symbolon_server.symbols.paging import layout as page_layout
from symbolon_server.symbols.paging.directory import decode_directory, encode_directory
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION, seal, unseal
from symbolon_server.symbols.paging.reader import Page
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.symbolication.conftest import (
    MEGABYTE,
    WAIT_SECONDS,
    Host,
    IngestNow,
    OpenHost,
    calls,
    new_calls,
    new_module,
    query,
)
from tests.symbols.reading import misfits
from tests.symbols.reading.misfits import misfit

MANY = 8_000
"""Functions that take several pages."""

LAST = (MANY - 1) * 32
"""Where the last of them starts."""

Damage = Callable[[bytes], bytes]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


def of_another_version(data: bytes) -> bytes:
    return data[:3] + bytes([FORMAT_VERSION + 1]) + data[4:]


def emptied(_data: bytes) -> bytes:
    return b""


DAMAGES: list[Damage] = [cut, flip_a_bit, of_another_version, emptied]


@pytest.fixture
def large(
    supplier: SymbolServer,
    ingest_now: IngestNow,
    spool: Spool,
    module_id: ModuleId,
    clear_redis_store: None,
) -> ModuleId:
    """A module of several pages, in the store and in the spool."""
    supplier.put(module_id, symbol_file(module_id, MANY))
    ingest_now(module_id, spool)
    return module_id


@pytest.fixture
def spooling(open_host: OpenHost, spool: Spool) -> Host:
    """A server with the spool."""
    return open_host(spool)


def directory_of(store: redis.Redis, module_id: ModuleId) -> PageDirectory:
    data = RedisPageStore(store).get_directories([module_id])[0]
    assert data is not None
    return decode_directory(module_id, data)


def key_of(store: redis.Redis, module_id: ModuleId, offset: int) -> str:
    """Return the store's key of the page for an offset."""
    directory = directory_of(store, module_id)
    number = directory.find_page(offset)
    assert number is not None
    return page_key(PageKey(module_id, directory.generation, number))


def test_directories_and_pages_of_all_modules_are_one_request_each(
    supplier: SymbolServer, ingest_now: IngestNow, host: Host, redis_store: redis.Redis
) -> None:
    modules = [new_module() for _ in range(5)]
    for module in modules:
        supplier.put(module, symbol_file(module, MANY))
        ingest_now(module)
    before = calls(redis_store)
    stacks = [[FrameQuery(index, offset, False) for index in range(5)] for offset in (0, LAST)]
    answer = host.ask([query(module) for module in modules], stacks)
    functions = [{frame.function for frame in stack} for stack in answer.stacks]
    assert functions == [{"function_0"}, {f"function_{MANY - 1}"}]
    assert new_calls(redis_store, before, "mget", "get") == {"mget": 2, "get": 0}
    assert answer.symbolication.diagnostics.tiers[TierName.STORE].lookups == 5 + 10


@pytest.mark.parametrize("unpacked_bytes", [0, 10_000, 1 << 30])
def test_pages_are_read_however_few_of_them_are_unpacked_at_once(
    large: ModuleId,
    spooling: Host,
    redis_store: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    unpacked_bytes: int,
) -> None:
    monkeypatch.setattr(lookup, "UNPACKED_BYTES", unpacked_bytes)
    key = key_of(redis_store, large, LAST // 2)
    redis_store.set(key, misfit(owner_of(key)))
    numbers = range(0, MANY, 100)
    answer = spooling.find(large, *(32 * number for number in numbers))
    assert answer.functions == [f"function_{number}" for number in numbers]


def test_remembered_frames_need_no_store(
    large: ModuleId, host: Host, redis_store: redis.Redis
) -> None:
    first = host.find(large, 0, LAST)
    before = calls(redis_store)
    second = host.find(large, 0, LAST)
    assert second.stacks == first.stacks
    assert new_calls(redis_store, before, "mget") == {"mget": 0}
    assert set(second.symbolication.diagnostics.tiers) == {TierName.FRAMES}


def test_a_page_in_memory_answers_for_its_other_frames(
    large: ModuleId, host: Host, redis_store: redis.Redis
) -> None:
    host.find(large, 0)
    before = calls(redis_store)
    answer = host.find(large, 32, 64, 16)
    assert answer.functions == ["function_1", "function_2", ""]
    assert new_calls(redis_store, before, "mget") == {"mget": 0}
    tiers = answer.symbolication.diagnostics.tiers
    assert set(tiers) == {TierName.FRAMES, TierName.MEMORY}


def test_an_evicted_page_comes_from_the_spool_and_goes_back_into_the_store(
    large: ModuleId, spooling: Host, redis_store: redis.Redis
) -> None:
    key = key_of(redis_store, large, LAST)
    page = redis_store.get(key)
    redis_store.delete(key)
    answer = spooling.find(large, 0, LAST)
    assert answer.functions == ["function_0", f"function_{MANY - 1}"]
    assert redis_store.get(key) == page
    spool_counts = answer.symbolication.diagnostics.tiers[TierName.SPOOL]
    assert (spool_counts.lookups, spool_counts.hits) == (1, 1)
    assert answer.symbolication.diagnostics.ingests == 0


def test_an_evicted_directory_comes_from_the_spool_and_goes_back_into_the_store(
    large: ModuleId, spooling: Host, redis_store: redis.Redis
) -> None:
    directory = directory_of(redis_store, large)
    redis_store.delete(directory_key(large))
    assert spooling.find(large, 0).functions == ["function_0"]
    assert directory_of(redis_store, large).generation == directory.generation


def test_an_emptied_store_is_refilled_with_requested_pages(
    large: ModuleId, spooling: Host, redis_store: redis.Redis
) -> None:
    redis_store.flushall()
    assert spooling.find(large, LAST).functions == [f"function_{MANY - 1}"]
    assert redis_store.exists(directory_key(large))
    assert redis_store.exists(key_of(redis_store, large, LAST))
    assert not redis_store.exists(key_of(redis_store, large, 0))


def test_a_store_emptied_while_its_modules_are_held_changes_no_answer(
    large: ModuleId, spooling: Host, redis_store: redis.Redis
) -> None:
    spooling.find(large, 0)
    redis_store.flushall()
    assert spooling.find(large, 0, 32, LAST).functions == [
        "function_0",
        "function_1",
        f"function_{MANY - 1}",
    ]
    assert len(redis_store.keys("page:*")) == 1


@pytest.mark.promise("A call answers a module from one generation only", group="pages")
def test_a_module_ingested_again_is_answered_from_its_new_pages(
    large: ModuleId,
    host: Host,
    supplier: SymbolServer,
    ingest_now: IngestNow,
    redis_store: redis.Redis,
) -> None:
    host.find(large, 0)
    redis_store.flushall()
    supplier.put(large, symbol_file(large, MANY).replace(b"function_", b"renamed_"))
    ingest_now(large)
    # Of these the first is in a page that is held, the second is not.
    answer = host.find(large, 16 * 32, LAST)
    assert answer.functions == ["renamed_16", f"renamed_{MANY - 1}"]
    assert host.find(large, 0, 16 * 32, 32).functions == ["renamed_0", "renamed_16", "renamed_1"]


def test_a_new_generation_with_fewer_pages_answers_for_all_offsets(
    large: ModuleId,
    host: Host,
    supplier: SymbolServer,
    ingest_now: IngestNow,
    redis_store: redis.Redis,
) -> None:
    host.find(large, 0)
    redis_store.flushall()
    supplier.put(large, symbol_file(large, 2))
    ingest_now(large)
    assert host.find(large, LAST).functions == [""]
    assert host.find(large, 32).functions == ["function_1"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_page_in_the_store_is_replaced_from_the_spool(
    large: ModuleId, spooling: Host, redis_store: redis.Redis, damage: Damage
) -> None:
    key = key_of(redis_store, large, 0)
    page = redis_store.get(key)
    assert isinstance(page, bytes)
    redis_store.set(key, damage(page))
    answer = spooling.find(large, 0, LAST)
    assert answer.functions == ["function_0", f"function_{MANY - 1}"]
    assert answer.symbolication.diagnostics.ingests == 0
    assert redis_store.get(key) == page


def owner_of(key: str) -> bytes:
    """Return whose the page under a key of the store is."""
    return ":".join(key.rsplit(":", 2)[1:]).encode()


def misspelt(page: bytes, owner: bytes) -> bytes:
    """Return the page with one name that is no text, and a right checksum."""
    content = unseal(page_layout.MARK, owner, page)
    assert b"function_1\nfunction_2" in content
    content = content.replace(b"function_1\nfunction_2", b"function_\xfffunction_2")
    return seal(page_layout.MARK, owner, content)


@pytest.mark.promise(
    "A page that contradicts itself is replaced, even if its checksum is right", group="pages"
)
@pytest.mark.parametrize("offset", [0, misfits.START])
def test_a_page_that_does_not_fit_itself_is_replaced_from_the_spool(
    large: ModuleId, spooling: Host, redis_store: redis.Redis, offset: int
) -> None:
    key = key_of(redis_store, large, offset)
    page = redis_store.get(key)
    redis_store.set(key, misfit(owner_of(key)))
    answer = spooling.find(large, offset, LAST)
    assert answer.functions == [f"function_{offset // 32}", f"function_{MANY - 1}"]
    assert answer.symbolication.diagnostics.ingests == 0
    assert redis_store.get(key) == page


@pytest.mark.promise("A page that contradicts itself is replaced, even if its checksum is right")
def test_an_inconsistent_page_answers_nothing(
    large: ModuleId, host: Host, redis_store: redis.Redis
) -> None:
    key = key_of(redis_store, large, 0)
    page = redis_store.get(key)
    assert isinstance(page, bytes)
    redis_store.set(key, misspelt(page, owner_of(key)))
    answer = host.find(large, 0, 32, LAST)
    assert answer.functions == ["", "", f"function_{MANY - 1}"]
    assert answer.results[0].outcome is ModuleOutcome.PENDING


@pytest.mark.promise("A page that contradicts itself is replaced, even if its checksum is right")
def test_a_page_in_memory_that_does_not_fit_itself_is_replaced(
    large: ModuleId, spooling: Host, redis_store: redis.Redis
) -> None:
    assert spooling.find(large, LAST).functions == [f"function_{MANY - 1}"]
    key = PageKey(large, directory_of(redis_store, large).generation, 0)
    spooling.held.pages.put(key, Page.decode(key.owner, misfit(key.owner)))
    assert spooling.find(large, 0).functions == ["function_0"]
    assert spooling.find(large, 32).functions == ["function_1"]


@pytest.mark.promise("A page that contradicts itself is replaced, even if its checksum is right")
@pytest.mark.usefixtures("worker")
def test_a_page_that_does_not_fit_itself_is_made_again(
    large: ModuleId, host: Host, redis_store: redis.Redis
) -> None:
    key = key_of(redis_store, large, 0)
    redis_store.set(key, misfit(owner_of(key)))
    answer = host.find(large, 0, 32, LAST, wait_seconds=WAIT_SECONDS)
    assert answer.functions == ["function_0", "function_1", f"function_{MANY - 1}"]
    assert answer.symbolication.diagnostics.ingests == 1


@pytest.mark.promise("A page that contradicts itself is replaced, even if its checksum is right")
@pytest.mark.usefixtures("worker")
def test_a_page_file_with_a_page_that_does_not_fit_itself_is_dropped(
    large: ModuleId, spooling: Host, redis_store: redis.Redis, spool: Spool
) -> None:
    directory = directory_of(redis_store, large)
    keys = [PageKey(large, directory.generation, n) for n in range(directory.page_count)]
    pages = [page for page in spool.get_pages(keys) if page is not None]
    spool.put_module(large, encode_directory(large, directory), [misfit(keys[0].owner), *pages[1:]])
    redis_store.flushall()
    answer = spooling.find(large, 0, LAST, wait_seconds=WAIT_SECONDS)
    assert answer.functions == ["function_0", f"function_{MANY - 1}"]
    assert spool.get_directories([large]) == [None]
    assert directory_of(redis_store, large).generation != directory.generation


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_directory_in_the_store_is_replaced_from_the_spool(
    large: ModuleId, spooling: Host, redis_store: redis.Redis, damage: Damage
) -> None:
    directory = redis_store.get(directory_key(large))
    assert isinstance(directory, bytes)
    redis_store.set(directory_key(large), damage(directory))
    answer = spooling.find(large, 0)
    assert answer.functions == ["function_0"]
    assert answer.symbolication.diagnostics.ingests == 0
    assert redis_store.get(directory_key(large)) == directory


def test_a_damaged_page_file_is_no_answer(
    large: ModuleId, spooling: Host, redis_store: redis.Redis, tmp_path: Path
) -> None:
    redis_store.flushall()
    [page_file] = (tmp_path / "spool").glob("v*/*/*.pages")
    page_file.write_bytes(flip_a_bit(page_file.read_bytes()))
    answer = spooling.find(large, 0, LAST // 2, LAST)
    assert answer.results[0].outcome is ModuleOutcome.PENDING


def test_pages_answered_from_memory_are_touched_in_the_store(
    large: ModuleId, open_host: OpenHost, redis_store: redis.Redis
) -> None:
    now = iter(range(0, 1000, 10))
    recent_use = RecentUse(RedisPageStore(redis_store), touch_seconds=0.0)
    host = open_host(recent_use=recent_use, clock=lambda: float(next(now)))
    host.find(large, 0, LAST)
    before = calls(redis_store)
    hits = redis_store.info("stats")["keyspace_hits"]
    host.find(large, 0, LAST)
    assert new_calls(redis_store, before, "touch", "mget") == {"touch": 1, "mget": 0}
    # The directory and two pages, which are there.
    assert redis_store.info("stats")["keyspace_hits"] == hits + 3


def test_memory_is_bounded(large: ModuleId, host: Host) -> None:
    for start in range(0, MANY * 32, 32 * 500):
        host.find(large, *range(start, start + 32 * 500, 8))
    frames, memory = host.held.counts_of_frames(), host.held.counts_of_memory()
    assert frames.entries > 10_000
    assert frames.stored_bytes + memory.stored_bytes <= 64 * MEGABYTE
    assert frames.max_bytes + memory.max_bytes <= 64 * MEGABYTE
    host.held.pages.check()
    host.held.modules.check()
