"""Fixtures of the ingest floor: queues and desks on the real cache."""

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.symbols.ground.module_ids import ModuleId


@pytest.fixture
def queue(redis_cache: redis.Redis, clear_redis_cache: None) -> IngestQueue:
    del clear_redis_cache
    return IngestQueue(redis_cache)


@pytest.fixture
def desk(redis_cache: redis.Redis, clear_redis_cache: None) -> ClaimDesk:
    del clear_redis_cache
    return ClaimDesk(redis_cache, lease_seconds=60)


@pytest.fixture
def hasty_desk(redis_cache: redis.Redis, clear_redis_cache: None) -> ClaimDesk:
    """A desk whose leases lapse at once."""
    del clear_redis_cache
    return ClaimDesk(redis_cache, lease_seconds=0)


@pytest.fixture
def xul() -> ModuleId:
    return ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")


@pytest.fixture
def libc() -> ModuleId:
    return ModuleId.parse("libc.so.6", "0123456789ABCDEF0123456789ABCDEF0")
