"""The keyed cache on a real cache Redis."""

import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheEntry, CacheUnavailableError, KeyedCache
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.servers import connect
from tests.fixtures.redis_fixtures import FakeClock, StartRedis


def lifetime(client: redis.Redis, key: str) -> int:
    """Return the remaining lifetime of a key in milliseconds."""
    return int(client.pttl(key))


def test_a_value_is_kept_for_its_lifetime(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    keyed_cache.set("name", b"\x00value\xff", 7.5)
    assert keyed_cache.get("name") == b"\x00value\xff"
    assert 2_500 < lifetime(redis_cache, "name") <= 7_500


def test_a_missing_key_has_no_value(keyed_cache: KeyedCache) -> None:
    assert keyed_cache.get("name") is None


@pytest.mark.parametrize("timeout", [0, -1, -0.001])
def test_a_lifetime_of_zero_or_less_is_refused(keyed_cache: KeyedCache, timeout: float) -> None:
    with pytest.raises(ValueError, match="lifetime must be over 0 seconds"):
        keyed_cache.set("name", b"1", timeout)


def test_entries_have_their_remaining_lifetime(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    keyed_cache.set("some", b"1", 50.0)
    redis_cache.set("all", b"2")
    some, none, kept = keyed_cache.get_entries(["some", "none", "all"])
    assert some is not None
    assert some.remaining_seconds == pytest.approx(50.0, abs=5.0)
    assert none is None
    assert kept == CacheEntry(b"2", None)
    assert keyed_cache.get_entries([]) == []


def test_delete_takes_several_keys_and_ignores_absent_ones(keyed_cache: KeyedCache) -> None:
    keyed_cache.set("a", b"1", 60.0)
    keyed_cache.set("b", b"1", 60.0)
    keyed_cache.delete("a", "b", "c")
    keyed_cache.delete()
    assert keyed_cache.get_entries(["a", "b"]) == [None, None]


def test_each_increment_restarts_the_lifetime_of_a_counter(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    assert keyed_cache.increment("count", 10.0) == 1
    assert keyed_cache.increment("count", 100.0) == 2
    assert keyed_cache.get("count") == b"2"
    assert 90_000 < lifetime(redis_cache, "count") <= 100_000


@pytest.mark.parametrize("value", [b"not a number", b"1" * 23, b""])
def test_a_counter_that_is_not_a_number_starts_again(keyed_cache: KeyedCache, value: bytes) -> None:
    keyed_cache.set("count", value, 60.0)
    assert keyed_cache.increment("count", 60.0) == 1
    assert keyed_cache.increment("count", 60.0) == 2


def test_a_dead_cache_is_unavailable_and_not_asked_again_for_a_moment(
    start_redis: StartRedis, fake_clock: FakeClock
) -> None:
    server = start_redis("cache.conf")
    with connect(server.url) as client:
        cache = KeyedCache(client, circuit=Circuit(clock=fake_clock))
        cache.set("name", b"1", 60.0)
        server.close()
        with pytest.raises(CacheUnavailableError, match="failed: "):
            cache.get("name")
        with pytest.raises(CacheUnavailableError, match="a moment ago"):
            cache.get("name")


def test_a_full_cache_refuses_writes_and_answers_reads(start_redis: StartRedis) -> None:
    server = start_redis("cache.conf")
    with connect(server.url) as client:
        cache = KeyedCache(client)
        cache.set("name", b"1", 60.0)
        client.config_set("maxmemory", "1")
        with pytest.raises(CacheUnavailableError, match="maxmemory"):
            cache.set("other", b"2", 60.0)
        assert cache.get("name") == b"1"
