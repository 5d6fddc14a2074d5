"""The keyed cache on a real cache Redis."""

import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheEntry, CacheUnavailableError, KeyedCache
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.servers import connect
from tests.fixtures.redis_fixtures import FakeClock, StartRedis


def lifetime(client: redis.Redis, key: str) -> int:
    """Return what the server itself says of a key's lifetime, in milliseconds."""
    return int(client.pttl(key))


def test_what_is_set_is_got(keyed_cache: KeyedCache) -> None:
    keyed_cache.set("name", b"\x00value\xff")
    assert keyed_cache.get("name") == b"\x00value\xff"


def test_what_was_never_set_is_none(keyed_cache: KeyedCache) -> None:
    assert keyed_cache.get("name") is None


def test_several_come_back_in_the_order_asked(keyed_cache: KeyedCache) -> None:
    keyed_cache.set("a", b"1")
    keyed_cache.set("b", b"2")
    assert keyed_cache.get_many(["b", "c", "a"]) == [b"2", None, b"1"]
    assert keyed_cache.get_many([]) == []


def test_caches_with_different_prefixes_do_not_see_each_other(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    KeyedCache(redis_cache, "one:").set("name", b"1")
    assert KeyedCache(redis_cache, "two:").get("name") is None
    assert redis_cache.keys() == [b"one:name"]


def test_an_entry_has_the_default_lifetime(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    KeyedCache(redis_cache, default_timeout_seconds=30.0).set("name", b"1")
    assert 25_000 < lifetime(redis_cache, "name") <= 30_000


def test_a_lifetime_of_its_own_wins(keyed_cache: KeyedCache, redis_cache: redis.Redis) -> None:
    keyed_cache.set("name", b"1", timeout=7.5)
    assert 2_500 < lifetime(redis_cache, "name") <= 7_500


def test_a_timeout_of_none_keeps_an_entry_until_it_is_deleted(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    keyed_cache.set("name", b"1", timeout=5.0)
    keyed_cache.set("name", b"2", timeout=None)
    assert lifetime(redis_cache, "name") == -1
    keyed_cache.delete("name")
    assert keyed_cache.get("name") is None


def test_a_cache_may_keep_everything_by_default(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    KeyedCache(redis_cache, default_timeout_seconds=None).set("name", b"1")
    assert lifetime(redis_cache, "name") == -1


@pytest.mark.parametrize("timeout", [0, -1, -0.001])
def test_a_lifetime_that_is_over_before_it_begins_is_refused(
    keyed_cache: KeyedCache, timeout: float
) -> None:
    with pytest.raises(ValueError, match="lifetime must be over 0 seconds"):
        keyed_cache.set("name", b"1", timeout=timeout)


def test_entries_tell_what_remains_of_their_lifetime(keyed_cache: KeyedCache) -> None:
    keyed_cache.set("some", b"1", timeout=50.0)
    keyed_cache.set("all", b"2", timeout=None)
    some, none, kept = keyed_cache.get_entries(["some", "none", "all"])
    assert some is not None
    assert some.remaining_seconds == pytest.approx(50.0, abs=5.0)
    assert none is None
    assert kept == CacheEntry(b"2", None)
    assert keyed_cache.get_entries([]) == []


def test_deleting_takes_several_and_those_that_are_not_there(keyed_cache: KeyedCache) -> None:
    keyed_cache.set("a", b"1")
    keyed_cache.set("b", b"1")
    keyed_cache.delete("a", "b", "c")
    keyed_cache.delete()
    assert keyed_cache.get_many(["a", "b"]) == [None, None]


def test_a_counter_counts_from_zero(keyed_cache: KeyedCache) -> None:
    assert keyed_cache.increment("count") == 1
    assert keyed_cache.increment("count", 5) == 6
    assert keyed_cache.increment("count", -2) == 4
    assert keyed_cache.get("count") == b"4"


def test_a_counters_lifetime_starts_anew_with_each_count(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    keyed_cache.increment("count", timeout=10.0)
    keyed_cache.increment("count", timeout=100.0)
    assert 90_000 < lifetime(redis_cache, "count") <= 100_000
    keyed_cache.increment("count", timeout=None)
    assert lifetime(redis_cache, "count") == -1


@pytest.mark.parametrize("value", [b"not a number", b"1" * 23, b""])
def test_a_counter_that_is_no_number_counts_anew(keyed_cache: KeyedCache, value: bytes) -> None:
    keyed_cache.set("count", value)
    assert keyed_cache.increment("count") == 1
    assert keyed_cache.increment("count") == 2


def test_a_dead_cache_is_unavailable_and_asked_again_when_it_is_back(
    start_redis: StartRedis, fake_clock: FakeClock
) -> None:
    server = start_redis("cache.conf")
    with connect(server.url) as client:
        cache = KeyedCache(client, circuit=Circuit(clock=fake_clock))
        cache.set("name", b"1")
        server.close()
        with pytest.raises(CacheUnavailableError, match="failed: "):
            cache.get("name")
        with pytest.raises(CacheUnavailableError, match="a moment ago"):
            cache.get("name")


def test_a_full_cache_refuses_to_write_and_still_reads(start_redis: StartRedis) -> None:
    server = start_redis("cache.conf")
    with connect(server.url) as client:
        cache = KeyedCache(client)
        cache.set("name", b"1")
        client.config_set("maxmemory", "1")
        with pytest.raises(CacheUnavailableError, match="maxmemory"):
            cache.set("other", b"2")
        assert cache.get("name") == b"1"
