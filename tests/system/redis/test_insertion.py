"""Pages of a new build in a full store: those that earlier builds were asked for stay longest."""

import os

import pytest

from symbolon_server.redis_servers.keys import INSERTION_KEY, PAGE_PREFIX, USES_PREFIX
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import wait_until
from tests.ingest.symbol_files import symbol_file
from tests.system.conftest import Site, ask, functions

BUILDS = [ModuleId("libxul.so", f"{number:033X}") for number in (1, 2, 3)]
MANY = 8_000
LAST = (MANY - 1) * 32
AGE = 1_000


def fill(site: Site) -> None:
    """Fill the store until it evicts pages that were idle for about `AGE` seconds."""
    page = os.urandom(20_000)
    site.store.set("template", page)
    dump = site.store.dump("template") or b""
    used = int(site.store.info("memory")["used_memory"])
    site.store.config_set("maxmemory", used + (8 << 20))
    number = 0
    while not int(site.store.info("stats")["evicted_keys"]):
        key = f"{PAGE_PREFIX}ballast:{number}"
        site.store.restore(key, 0, dump, idletime=AGE)
        number += 1


def ages_of(site: Site, module_id: ModuleId) -> dict[int, int]:
    """Return how long each page of a module counts as idle, by its number."""
    prefix = f"{PAGE_PREFIX}{module_id}:".encode()
    keys = [key for key in site.store.scan_iter(count=1000) if key.startswith(prefix)]
    return {int(key.split(b":")[-1]): int(site.store.object("idletime", key)) for key in keys}


@pytest.mark.promise("Pages whose functions earlier builds were asked for outlive the others")
def test_the_pages_of_functions_in_use_are_put_young(site: Site) -> None:
    for build in BUILDS:
        site.supplier.put(build, symbol_file(build, MANY))
    site.work()
    client = site.new_client()
    tables = {site.cache.get(f"{USES_PREFIX}libxul.so")}
    for build in BUILDS[:2]:  # two uses make an interval
        assert functions(ask(client, [(build, LAST)])) == [f"function_{MANY - 1}"]
        wait_until(lambda: site.cache.get(f"{USES_PREFIX}libxul.so") not in tables)
        tables.add(site.cache.get(f"{USES_PREFIX}libxul.so"))
    fill(site)
    wait_until(lambda: site.cache.hget(INSERTION_KEY, "eviction_age") is not None)
    assert functions(ask(client, [(BUILDS[2], 0)])) == ["function_0"]
    wait_until(lambda: bool(ages_of(site, BUILDS[2])))
    ages = ages_of(site, BUILDS[2])
    first, last = min(ages), max(ages)
    assert last - first + 1 == len(ages) > 2
    assert ages[first] < AGE // 10  # asked for now
    assert ages[last] < AGE // 10  # asked for in earlier builds
    assert all(age > AGE // 4 for number, age in ages.items() if first < number < last)
