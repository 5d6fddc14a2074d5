"""The memory of failures, on a real cache Redis."""

import pytest
import redis

from symbolon_server.cache.failures import (
    LONGEST_DETAIL,
    OUTAGE_SECONDS,
    Failure,
    FailureKind,
    FailureLifetimes,
    FailureMemory,
)
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId


@pytest.fixture
def failures(keyed_cache: KeyedCache) -> FailureMemory:
    return FailureMemory(keyed_cache)


def seconds_kept(client: redis.Redis, module_id: ModuleId) -> float:
    return int(client.pttl(f"outcome:{module_id}")) / 1000


def test_a_missing_module_is_remembered_for_its_lifetime(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId, libc: ModuleId
) -> None:
    kept = failures.remember(xul, FailureKind.MISSING, "no supplier has it")
    assert kept == Failure(FailureKind.MISSING, "no supplier has it", 1, 60.0)
    found = failures.get_many([libc, xul])
    assert list(found) == [xul]
    assert found[xul].detail == "no supplier has it"
    assert 55 < found[xul].retry_after_seconds <= 60
    assert 55 < seconds_kept(redis_cache, xul) <= 60


def test_a_malformed_module_is_remembered_for_an_hour(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    failures.remember(xul, FailureKind.MALFORMED, "the MODULE record has another debug id")
    assert 3_590 < seconds_kept(redis_cache, xul) <= 3_600


def test_the_lifetime_of_an_unavailable_module_doubles_with_each_failure(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    told = [failures.remember(xul, FailureKind.UNAVAILABLE, "status 500") for _ in range(6)]
    assert [failure.retry_after_seconds for failure in told] == [5, 10, 20, 40, 60, 60]
    assert [failure.attempts for failure in told] == [1, 2, 3, 4, 5, 6]
    assert 55 < seconds_kept(redis_cache, xul) <= 60
    assert failures.get_many([xul])[xul].attempts == 6


def test_consecutive_failures_are_counted_beyond_the_lifetime_of_each(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    failures.remember(xul, FailureKind.UNAVAILABLE, "status 500")
    redis_cache.delete(f"outcome:{xul}")  # as if it had expired
    assert failures.remember(xul, FailureKind.UNAVAILABLE, "status 500").attempts == 2
    assert 300_000 < int(redis_cache.pttl(f"attempts:{xul}")) <= 600_000


def test_retry_after_extends_the_lifetime_up_to_the_longest(
    failures: FailureMemory, xul: ModuleId
) -> None:
    asked = [30.0, 3.0, 5000.0]
    told = [failures.remember(xul, FailureKind.UNAVAILABLE, "429", after) for after in asked]
    assert [failure.retry_after_seconds for failure in told] == [30.0, 10.0, 60.0]


@pytest.mark.promise("After an outage of the store, its modules are ingested again in seconds")
def test_an_outage_is_remembered_for_a_moment_however_often_it_occurs(
    failures: FailureMemory, xul: ModuleId
) -> None:
    for _ in range(10):
        kept = failures.remember_outage(xul, "the store is down")
        assert kept == Failure(FailureKind.UNAVAILABLE, "the store is down", 1, OUTAGE_SECONDS)
    assert failures.remember(xul, FailureKind.UNAVAILABLE, "a supplier").attempts == 1


@pytest.mark.promise("Nothing depends on the time of day, apart from times shown to people")
def test_a_failure_does_not_live_longer_if_the_clock_is_set_back(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    failures.remember(xul, FailureKind.MISSING, "no supplier has it")
    # If the clock of Redis is set back by an hour, each lifetime is an hour longer.
    redis_cache.pexpire(f"outcome:{xul}", redis_cache.pttl(f"outcome:{xul}") + 3_600_000)
    assert failures.get_many([xul]) == {}


def test_a_million_consecutive_failures_do_not_overflow() -> None:
    assert FailureLifetimes().unavailable.after(1_000_000) == 60.0


def test_a_forgotten_failure_starts_from_the_first_attempt(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    failures.remember(xul, FailureKind.UNAVAILABLE, "status 500")
    failures.remember(xul, FailureKind.UNAVAILABLE, "status 500")
    failures.forget(xul)
    assert failures.get_many([xul]) == {}
    assert redis_cache.keys() == []
    assert failures.remember(xul, FailureKind.UNAVAILABLE, "status 500").attempts == 1


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("lacked", [False, True])
@pytest.mark.parametrize("code_id", ["", "5F3A1B2C4D000"])
def test_a_failure_without_a_code_id_holds_for_requests_without_one(
    failures: FailureMemory, xul: ModuleId, kind: FailureKind, lacked: bool, code_id: str
) -> None:
    failures.remember(xul, kind, "has no such file", lacked_code_id=lacked)
    found = failures.get_for([AskedModule(xul, "xul.dll", code_id)])
    assert bool(found) == (not lacked or not code_id)
    assert failures.get_many([xul])[xul].lacked_code_id == lacked


def test_an_outage_holds_for_all_requests(failures: FailureMemory, xul: ModuleId) -> None:
    failures.remember_outage(xul, "the store does not answer")
    assert failures.get_for([AskedModule(xul, "xul.dll", "5F3A1B2C4D000")])


def test_a_later_failure_replaces_the_earlier_one(failures: FailureMemory, xul: ModuleId) -> None:
    failures.remember(xul, FailureKind.MALFORMED, "cut off")
    failures.remember(xul, FailureKind.MISSING, "gone")
    assert failures.get_many([xul])[xul].kind is FailureKind.MISSING


def test_a_query_for_no_modules_sends_no_command(failures: FailureMemory) -> None:
    assert failures.get_many([]) == {}


@pytest.mark.parametrize(
    "written",
    [b"", b"{", b"[]", b"3", b'{"kind": "missing"}', b"\xff", b'{"kind": "new", "detail": ""}'],
)
def test_a_value_of_another_version_is_ignored(
    failures: FailureMemory, redis_cache: redis.Redis, xul: ModuleId, written: bytes
) -> None:
    redis_cache.set(f"outcome:{xul}", written)
    assert failures.get_many([xul]) == {}


def test_a_detail_is_one_line_of_bounded_length(failures: FailureMemory, xul: ModuleId) -> None:
    failures.remember(xul, FailureKind.MISSING, "two\r\nlines \udcff é " + "x" * 1000)
    detail = failures.get_many([xul])[xul].detail
    assert detail.startswith("two lines ? é xxx")
    assert len(detail) == LONGEST_DETAIL
    assert detail.endswith("x…")
