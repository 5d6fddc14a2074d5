"""Pages that are evicted, flushed, damaged or of another generation, while they are asked for."""

import shutil
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from tests.app.conftest import wait_until
from tests.system.conftest import Site
from tests.system.known_modules import known_modules
from tests.system.traffic import Traffic

STEPS = 25

SMALL_MEMORY = {"memory_bytes": "1MiB"}
MODULES = known_modules(range(16))

Harm = Callable[[Site, Random], object]


@pytest.fixture(scope="module")
def traffic(shared_site: Site) -> Iterator[Traffic]:
    """Callers of a server that holds little in memory and has no spool."""
    for module in MODULES:
        shared_site.supplier.put(module.module_id, module.symbol_file())
    shared_site.work()
    target = shared_site.serve(spool_bytes="0", **SMALL_MEMORY).await_address()
    with Traffic(target, MODULES, timeout=30.0) as traffic:
        yield traffic


def some_keys(site: Site, random: Random) -> list[bytes]:
    """Return a fifth of all keys, each page and each directory on its own."""
    keys: list[bytes] = sorted(site.store.keys())  # type: ignore[arg-type] # redis-py
    return random.sample(keys, len(keys) // 5)


def evict(site: Site, random: Random) -> None:
    if keys := some_keys(site, random):
        site.store.delete(*keys)


def evict_pages_only(site: Site, random: Random) -> None:
    """Leave directories without any of their pages."""
    if pages := site.store.keys("page:*"):
        site.store.delete(*pages)


def flush(site: Site, random: Random) -> None:
    site.store.flushall()


def damage(site: Site, random: Random) -> None:
    """Change one bit, or cut the end off."""
    for key in some_keys(site, random):
        found: Any = site.store.get(key)
        value = bytearray(found or b"gone")
        place = random.randrange(len(value))
        value[place] ^= 1 << random.randrange(8)
        site.store.set(key, bytes(random.choice([value, value[:place]])))


def publish_anew(site: Site, random: Random) -> None:
    """Give a module another symbol file and forget its directory, but none of its pages."""
    module = random.choice(MODULES)
    site.supplier.put(module.module_id, module.symbol_file(edition=random.randrange(1, 1_000)))
    shutil.rmtree(site.spool, ignore_errors=True)
    site.store.delete(f"symbol:{module.module_id}")


@pytest.mark.parametrize("harm", [evict, evict_pages_only, flush, damage, publish_anew])
def test_a_store_that_loses_and_spoils_pages_under_load_changes_no_answer(
    shared_site: Site, traffic: Traffic, harm: Harm
) -> None:
    random = Random(harm.__name__)
    for _ in range(STEPS):
        harm(shared_site, random)
        traffic.wait_for(seconds=0.05)
    traffic.take_after(calls=10).check()
    wait_until(lambda: is_answered_whole(traffic))


def is_answered_whole(traffic: Traffic) -> bool:
    tally = traffic.take_after(calls=10)
    tally.check()
    return tally.unanswered == 0
