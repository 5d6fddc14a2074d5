"""Pages that are evicted, flushed, damaged or of another generation, while they are asked for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
import redis

from symbolon import Client, FrameOutcome
from symbolon_server.cache.keys import directory_key
from symbolon_server.ingest.jobs import Priority
from symbolon_server.ingest.queue import IngestQueue
from tests.app.conftest import wait_until
from tests.system.conftest import Site
from tests.system.known_modules import SPACING, KnownModule, Question, known_modules
from tests.system.traffic import Traffic

SMALL_MEMORY = {"memory_bytes": "1MiB"}
STEPS = 40


@pytest.fixture(scope="module")
def modules(shared_site: Site) -> list[KnownModule]:
    modules = known_modules(range(16))
    for module in modules:
        shared_site.supplier.put(module.module_id, module.symbol_file())
    return modules


@pytest.fixture(scope="module")
def traffic(shared_site: Site, modules: list[KnownModule]) -> Iterator[Traffic]:
    """Callers of a server that holds little in memory and has no spool."""
    shared_site.work()
    target = shared_site.serve(spool_bytes="0", **SMALL_MEMORY).await_address()
    with Traffic(target, modules, timeout=30.0) as traffic:
        yield traffic


def some_keys(store: redis.Redis, random: Random) -> list[bytes]:
    """Return a fifth of all keys, each page and each directory on its own."""
    keys = sorted(store.keys())
    return random.sample(keys, len(keys) // 5)


def evict_at_random(store: redis.Redis, random: Random) -> None:
    if keys := some_keys(store, random):
        store.delete(*keys)


def flush(store: redis.Redis, random: Random) -> None:
    store.flushall()


def damage_at_random(store: redis.Redis, random: Random) -> None:
    """Change a byte, cut the end off, or put another page in its place."""
    for key in some_keys(store, random):
        value = bytearray(store.get(key) or b"gone")
        place = random.randrange(len(value))
        value[place] ^= 1 << random.randrange(8)
        whole = store.get(random.choice(some_keys(store, random) or [key])) or b"gone"
        store.set(key, random.choice([bytes(value), bytes(value[:place]), b"", whole]))


@pytest.mark.parametrize("harm", [evict_at_random, flush, damage_at_random])
def test_a_store_that_loses_and_spoils_pages_under_load_changes_no_answer(
    shared_site: Site, traffic: Traffic, modules: list[KnownModule], harm
) -> None:
    random = Random(harm.__name__)
    traffic.take_after(calls=10).check()
    for _ in range(STEPS):
        harm(shared_site.store, random)
        traffic.wait_for(seconds=0.05)
    traffic.take_after(calls=20).check()
