"""Fixtures of every floor: one store and one cache for the whole run, both real."""

from collections.abc import Iterator

import pytest
import redis

from symbolon_server.cache.embedded import EmbeddedRedis
from symbolon_server.cache.servers import connect


@pytest.fixture(scope="session")
def redis_store_url() -> Iterator[str]:
    """The URL of a running store, set up as `redis/store.conf` says."""
    with EmbeddedRedis.start("store.conf") as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_cache_url() -> Iterator[str]:
    """The URL of a running cache, set up as `redis/cache.conf` says."""
    with EmbeddedRedis.start("cache.conf") as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_store(redis_store_url: str) -> Iterator[redis.Redis]:
    """A client of the store; take `clear_redis_store` too where its contents matter."""
    with connect(redis_store_url) as client:
        yield client


@pytest.fixture(scope="session")
def redis_cache(redis_cache_url: str) -> Iterator[redis.Redis]:
    """A client of the cache; take `clear_redis_cache` too where its contents matter."""
    with connect(redis_cache_url) as client:
        yield client


@pytest.fixture
def clear_redis_store(redis_store: redis.Redis) -> None:
    """Empty the store before the test."""
    redis_store.flushall()


@pytest.fixture
def clear_redis_cache(redis_cache: redis.Redis) -> None:
    """Empty the cache before the test."""
    redis_cache.flushall()
