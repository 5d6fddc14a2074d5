"""Pages that are evicted, flushed, damaged or of another generation, while they are asked for."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.app.conftest import wait_until
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.faults.page_harms import PAGE_HARMS, Harm, publish_one_anew
from tests.system.known_modules import known_modules
from tests.system.traffic import Traffic

STEPS = 15

MODULES = known_modules(range(16))


@pytest.fixture(scope="module")
def traffic(shared_site: Site) -> Iterator[Traffic]:
    """Callers of a server that holds little in memory and has no spool."""
    for module in MODULES:
        shared_site.supplier.put(module.module_id, module.symbol_file())
    shared_site.work()
    target = shared_site.serve(spool_bytes="0", **SMALL_MEMORY).await_address()
    with Traffic(target, MODULES, timeout=30.0) as traffic:
        yield traffic


def publish_anew(site: Site, random: Random) -> None:
    publish_one_anew(site, random, MODULES)


@pytest.mark.promise("A page that contradicts itself is replaced, even if its checksum is right")
@pytest.mark.promise("Lost and damaged pages change no answer and are replaced", group="pages")
@pytest.mark.parametrize("harm", [*PAGE_HARMS, publish_anew])
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
