"""Failing suppliers are paused for all workers, then tried by one worker at a time."""

from pathlib import Path

import pytest
import redis

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.working.supplier_pauses import PauseLengths, SharedPauses
from symbolon_server.redis_servers.keys import pause_key, try_key
from symbolon_server.redis_servers.servers import connect
from symbolon_server.suppliers.chain import Pause, SupplierChain
from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    SupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.web.http import HttpSupplier, Surroundings
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.symbol_server import (
    ALL_PATHS,
    HTML_PAGE,
    Answer,
    Ending,
    SymbolServer,
    symbol_server,
)
from tests.ingest.symbol_files import numbered_module, symbol_file

__all__ = ["symbol_server"]

DOWN = Answer(status=503)
FAILURES = PauseLengths().failures
AT_ONCE = Surroundings(sleep=lambda _seconds: None, random=lambda: 1.0)


@pytest.fixture
def pauses(redis_cache: redis.Redis, clear_redis_cache: None) -> SharedPauses:
    del clear_redis_cache
    return SharedPauses(KeyedCache(redis_cache))


@pytest.fixture
def others(redis_cache_url: str, pauses: SharedPauses) -> SharedPauses:
    """The same pauses in another worker."""
    return SharedPauses(KeyedCache(connect(redis_cache_url)))


@pytest.fixture
def supplier(symbol_server: SymbolServer) -> HttpSupplier:
    return make_supplier(symbol_server.url)


def make_supplier(url: str) -> HttpSupplier:
    limits = FetchLimits(read_seconds=0.1)
    return HttpSupplier(ServerUrl.parse(url), "symbolon/test", limits, surroundings=AT_ONCE)


def fetch(chain: SupplierChain, number: int) -> bytes:
    return chain.fetch(AskedModule(numbered_module(number)), b"".join).value


def read(chain: SupplierChain, number: int) -> SymbolTable:
    reader = SymbolFileReader(numbered_module(number))
    return chain.fetch(AskedModule(numbered_module(number)), reader.read).value


def fail(chain: SupplierChain, times: int = FAILURES) -> None:
    for number in range(times):
        with pytest.raises(UnavailableSymbolFileError):
            fetch(chain, number)


def let_time_pass(cache: redis.Redis, supplier: HttpSupplier) -> None:
    """End the supplier's pause."""
    assert cache.delete(pause_key(supplier.name))


def test_a_supplier_that_failed_three_times_gets_no_more_requests(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses
) -> None:
    symbol_server.answer(ALL_PATHS, DOWN)
    chain = SupplierChain([supplier], pauses=pauses)
    fail(chain)
    asked = symbol_server.get_count

    with pytest.raises(UnavailableSymbolFileError) as caught:
        fetch(chain, 4)
    expected = f"{supplier.name}: skipped after failures: answers HTTP 503"
    assert str(caught.value) == expected
    assert caught.value.retry_after_seconds == pytest.approx(PauseLengths().first_seconds, abs=2)
    assert symbol_server.get_count == asked


@pytest.mark.parametrize(
    "answer",
    [
        Answer(ending=Ending.STALLED_AT_ONCE),
        Answer(b"MODULE", ending=Ending.STALLED_MIDWAY),
        Answer(b"MODULE", ending=Ending.CUT),
        Answer(status=429),
        Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
    ids=["stalled", "stalled midway", "cut", "too many requests", "redirects to what is down"],
)
def test_a_failure_that_would_happen_for_any_file_causes_a_pause(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses, answer: Answer
) -> None:
    symbol_server.answer(ALL_PATHS, answer)
    fail(SupplierChain([supplier], pauses=pauses))
    assert pauses.find(supplier.name) is not None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://symbols.invalid/"])
def test_an_unreachable_server_is_paused(pauses: SharedPauses, url: str) -> None:
    supplier = make_supplier(url)
    fail(SupplierChain([supplier], pauses=pauses))
    assert pauses.find(supplier.name) is not None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=403),
        Answer(status=404),
        Answer(status=302, headers={"Location": "file:///etc/passwd"}),
        Answer(b"\x1f\x8bdamaged"),
    ],
    ids=["forbidden", "missing", "redirected astray", "damaged"],
)
def test_a_failure_for_one_file_never_causes_a_pause(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses, answer: Answer
) -> None:
    symbol_server.answer(ALL_PATHS, answer)
    chain = SupplierChain([supplier], pauses=pauses)
    for number in range(2 * FAILURES):
        with pytest.raises(SupplierError):
            fetch(chain, number)
    assert pauses.find(supplier.name) is None


@pytest.mark.parametrize("answer", [HTML_PAGE, Answer()], ids=["HTML", "nothing"])
def test_a_text_that_is_not_a_symbol_file_never_causes_a_pause(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses, answer: Answer
) -> None:
    """Some servers answer so for files that they lack, and have others."""
    symbol_server.answer(ALL_PATHS, answer)
    chain = SupplierChain([supplier], pauses=pauses)
    for number in range(2 * FAILURES):
        with pytest.raises(UnavailableSymbolFileError, match="instead of the symbol file"):
            read(chain, number)
    assert pauses.find(supplier.name) is None
    assert symbol_server.get_count == 2 * FAILURES


def test_other_suppliers_still_get_requests(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses, tmp_path: Path
) -> None:
    symbol_server.answer(ALL_PATHS, DOWN)
    module_id = numbered_module(1)
    path = tmp_path / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(symbol_file(module_id))
    chain = SupplierChain([supplier, DirectorySupplier(tmp_path)], pauses=pauses)
    for _ in range(FAILURES + 1):
        assert fetch(chain, 1) == symbol_file(module_id)
    assert pauses.find(supplier.name) is not None
    assert pauses.find(str(tmp_path)) is None


@pytest.mark.promise(
    "All workers back off from a failing supplier, and one at a time tries it", group="suppliers"
)
def test_a_module_is_not_missing_if_a_supplier_was_paused(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses, tmp_path: Path
) -> None:
    symbol_server.answer(ALL_PATHS, DOWN)
    empty = DirectorySupplier(tmp_path)
    fail(SupplierChain([supplier], pauses=pauses))
    symbol_server.answer(ALL_PATHS, Answer(status=404))

    with pytest.raises(UnavailableSymbolFileError) as caught:
        fetch(SupplierChain([empty, supplier], pauses=pauses), 1)
    assert caught.value.retry_after_seconds is not None
    with pytest.raises(MissingSymbolFileError):
        fetch(SupplierChain([empty], pauses=pauses), 1)


def test_a_pause_applies_to_all_workers(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses, others: SharedPauses
) -> None:
    symbol_server.answer(ALL_PATHS, DOWN)
    fail(SupplierChain([supplier], pauses=pauses), FAILURES - 1)
    assert others.find(supplier.name) is None
    fail(SupplierChain([supplier], pauses=others), 1)
    assert pauses.find(supplier.name) is not None


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_after_a_pause_one_worker_tries(
    redis_cache: redis.Redis, pauses: SharedPauses, others: SharedPauses
) -> None:
    begin_try(pauses, redis_cache)
    pause = others.find("a")
    assert pause is not None
    assert pause.detail == "it failed, and another worker tries it now"
    assert 0 < pause.seconds <= PauseLengths().first_seconds


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_a_supplier_that_hangs_is_tried_by_one_worker_at_a_time_however_long_the_try(
    redis_cache: redis.Redis,
    redis_cache_url: str,
    clear_redis_cache: None,
    symbol_server: SymbolServer,
    supplier: HttpSupplier,
) -> None:
    del clear_redis_cache
    lengths = PauseLengths(failures=1, first_seconds=0.01, longest_seconds=0.01)
    first, *rest = (SharedPauses(KeyedCache(connect(redis_cache_url)), lengths) for _ in range(4))
    first.note_failure(supplier.name, "no answer in time")
    await_expiry(redis_cache, pause_key(supplier.name))
    assert first.find(supplier.name) is None

    symbol_server.answer(ALL_PATHS, Answer(b"MODULE"))
    for worker in rest:  # any pause would be over by now
        redis_cache.set("elapsed", b"", px=round(lengths.first_seconds * 2000))
        await_expiry(redis_cache, "elapsed")
        with pytest.raises(UnavailableSymbolFileError, match="another worker tries it now"):
            fetch(SupplierChain([supplier], pauses=worker), 1)
    assert symbol_server.get_count == 0
    first.note_failure(supplier.name, "no answer in time")
    await_expiry(redis_cache, pause_key(supplier.name))
    assert fetch(SupplierChain([supplier], pauses=rest[0]), 1) == b"MODULE"


def await_expiry(cache: redis.Redis, key: str) -> None:
    while cache.exists(key):
        pass


def begin_try(pauses: SharedPauses, cache: redis.Redis) -> None:
    """Let a supplier fail until it is paused, and start a try after that pause."""
    for _ in range(FAILURES):
        pauses.note_failure("a", "no answer in time")
    cache.delete(pause_key("a"))
    assert pauses.find("a") is None


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_the_end_of_a_fetch_does_not_end_another_worker_s_try(
    redis_cache: redis.Redis, pauses: SharedPauses, others: SharedPauses
) -> None:
    begin_try(pauses, redis_cache)
    # Like a fetch that began before the first failure.
    others.note_failure("a", "no answer in time")
    redis_cache.delete(pause_key("a"))
    assert others.find("a") is not None
    others.end_tries(["a"])
    assert others.find("a") is not None


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_a_try_whose_worker_died_expires(
    redis_cache: redis.Redis, clear_redis_cache: None, others: SharedPauses
) -> None:
    del clear_redis_cache
    dead = SharedPauses(KeyedCache(redis_cache), PauseLengths(try_seconds=0.05))
    begin_try(dead, redis_cache)
    assert 0 < redis_cache.pttl(try_key("a")) <= 50
    while others.find("a") is not None:
        pass


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_a_worker_continues_the_try_in_which_its_ingest_process_died(
    redis_cache: redis.Redis, pauses: SharedPauses, others: SharedPauses
) -> None:
    begin_try(pauses, redis_cache)
    assert pauses.find("a") is None
    assert others.find("a") is not None


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_a_worker_that_stops_ends_its_tries(
    redis_cache: redis.Redis, pauses: SharedPauses, others: SharedPauses
) -> None:
    begin_try(pauses, redis_cache)
    pauses.end_tries(["b", "a"])
    assert others.find("a") is None


def test_a_supplier_that_recovers_gets_requests_from_all_workers(
    redis_cache: redis.Redis,
    symbol_server: SymbolServer,
    supplier: HttpSupplier,
    pauses: SharedPauses,
    others: SharedPauses,
) -> None:
    symbol_server.answer(ALL_PATHS, DOWN)
    chain = SupplierChain([supplier], pauses=pauses)
    fail(chain)
    let_time_pass(redis_cache, supplier)
    symbol_server.answer(ALL_PATHS, Answer(b"MODULE"))

    assert fetch(chain, 1) == b"MODULE"
    assert others.find(supplier.name) is None
    assert others.find(supplier.name) is None, "nor does one worker at a time try it"
    assert redis_cache.keys("supplier:*") == []


@pytest.mark.promise("All workers back off from a failing supplier, and one at a time tries it")
def test_each_failed_try_doubles_the_pause(
    redis_cache: redis.Redis, symbol_server: SymbolServer, supplier: HttpSupplier
) -> None:
    pauses = SharedPauses(KeyedCache(redis_cache), PauseLengths(1, 100.0, 1000.0))
    symbol_server.answer(ALL_PATHS, DOWN)
    chain = SupplierChain([supplier], pauses=pauses)
    lengths = []
    for _ in range(5):
        fail(chain, 1)
        pause = pauses.find(supplier.name)
        assert pause is not None
        lengths.append(pause.seconds)
        let_time_pass(redis_cache, supplier)
    assert lengths == pytest.approx([100, 200, 400, 800, 1000], abs=20)


def test_a_failure_during_a_pause_does_not_lengthen_it(
    pauses: SharedPauses, others: SharedPauses
) -> None:
    for _ in range(10):  # all sent before the first one failed
        pauses.note_failure("a", "connection refused")
    pause = others.find("a")
    assert pause is not None
    assert pause.seconds <= PauseLengths().first_seconds


def test_a_retry_after_of_a_server_is_respected(
    symbol_server: SymbolServer, supplier: HttpSupplier, pauses: SharedPauses
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=429, headers={"Retry-After": "30"}))
    fail(SupplierChain([supplier], pauses=pauses), 2)
    assert symbol_server.get_count == 1
    pause = pauses.find(supplier.name)
    assert pause is not None
    assert 20 < pause.seconds <= 30


def test_a_pause_expires(redis_cache: redis.Redis, clear_redis_cache: None) -> None:
    pauses = SharedPauses(KeyedCache(redis_cache), PauseLengths(failures=1, first_seconds=0.05))
    pauses.note_failure("a", "connection refused")
    pause: Pause | None = Pause(1.0, "")
    while pause is not None:
        pause = pauses.find("a")
        assert pause is None or pause.seconds <= 0.05


def test_without_the_cache_there_are_no_pauses(symbol_server: SymbolServer, tmp_path: Path) -> None:
    gone = SharedPauses(KeyedCache(connect(f"unix://{tmp_path}/gone.sock")))
    supplier = make_supplier(symbol_server.url)
    symbol_server.answer(ALL_PATHS, DOWN, DOWN, DOWN, Answer(b"MODULE"))
    chain = SupplierChain([supplier], pauses=gone)
    fail(chain, 1)
    assert fetch(chain, 1) == b"MODULE"


@pytest.mark.parametrize(
    ("failures", "retry_after", "seconds"),
    [
        (1, None, None),
        (2, None, None),
        (3, None, 5.0),
        (4, None, 10.0),
        (6, None, 40.0),
        (7, None, 60.0),
        (10**6, None, 60.0),
        (1, 0.0, None),
        (1, 2.0, 5.0),
        (1, 20.0, 20.0),
        (5, 3600.0, 60.0),
    ],
)
def test_pauses_begin_with_the_third_failure_and_grow_to_a_minute(
    failures: int, retry_after: float | None, seconds: float | None
) -> None:
    assert PauseLengths().seconds(failures, retry_after) == seconds


def test_a_suppliers_name_may_contain_anything(pauses: SharedPauses) -> None:
    name = "/symbols of “Größe”/\udcff\n*"
    for _ in range(FAILURES):
        pauses.note_failure(name, "é")
    pause = pauses.find(name)
    assert pause is not None
    assert pause.detail == "é"
