"""What can happen to the pages in a store, each page and each directory on its own."""

import shutil
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from symbolon_server.redis_servers.keys import directory_key
from tests.symbols.reading import misfits
from tests.system.conftest import Site
from tests.system.known_modules import KnownModule

Harm = Callable[[Site, Random], object]


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


def put_misfits(site: Site, random: Random) -> None:
    """Put pages whose numbers do not fit each other behind right checksums."""
    for key in some_keys(site, random):
        if key.startswith(b"page:"):
            owner = b":".join(key.rsplit(b":", 2)[1:])
            site.store.set(key, misfits.misfit(owner))


def publish_one_anew(site: Site, random: Random, modules: Sequence[KnownModule]) -> None:
    """Give a module another symbol file and forget its directory, but none of its pages."""
    module = random.choice(modules)
    site.supplier.put(module.module_id, module.symbol_file(edition=random.randrange(1, 1_000)))
    shutil.rmtree(site.spool, ignore_errors=True)
    site.store.delete(directory_key(module.module_id))


PAGE_HARMS: Final[tuple[Harm, ...]] = (
    evict,
    evict_pages_only,
    flush,
    damage,
    put_misfits,
)
