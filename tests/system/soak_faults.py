"""Every fault of a soak by name, each for as long as a context is open."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from random import Random

import psutil

from tests.app.conftest import Program
from tests.fixtures.symbol_server import ALL_PATHS, Answer
from tests.system.cache_faults import CACHE_FAULTS
from tests.system.conftest import Site
from tests.system.known_modules import KnownModule
from tests.system.page_harms import PAGE_HARMS, publish_one_anew
from tests.system.processes import serving_processes, workers
from tests.system.redis_proxy import RedisProxy
from tests.system.spool_harms import spoil
from tests.system.store_faults import STORE_FAULTS

Fault = Callable[[], AbstractContextManager[object]]


def faults_of(
    site: Site,
    proxy: RedisProxy,
    programs: Sequence[Program],
    modules: Sequence[KnownModule],
    random: Random,
) -> Mapping[str, Fault]:
    """Return what can be made to happen, by name."""
    store = {f"store {fault.name}": partial(fault.inflict, site, proxy) for fault in STORE_FAULTS}
    cache = {f"cache {fault.__name__}": partial(fault, site) for fault in CACHE_FAULTS}
    pages = {
        f"pages: {harm.__name__}": partial(_done, partial(harm, site, random))
        for harm in PAGE_HARMS
    }
    others: dict[str, Fault] = {
        "pages: publish anew": partial(_done, partial(publish_one_anew, site, random, modules)),
        "spool spoilt": partial(_done, partial(spoil, site.spool, random)),
        "supplier fails": partial(_failing_supplier, site),
        "worker killed": partial(_done, partial(_kill, workers, programs, random)),
        "serving process killed": partial(
            _done, partial(_kill, serving_processes, programs, random)
        ),
    }
    return {**store, **cache, **pages, **others}


@contextmanager
def _done(harm: Callable[[], object]) -> Iterator[None]:
    """Do harm that needs no undoing."""
    harm()
    yield


@contextmanager
def _failing_supplier(site: Site) -> Iterator[None]:
    site.supplier.answer(ALL_PATHS, Answer(status=503))
    yield
    site.supplier.answer(ALL_PATHS)


def _kill(
    find: Callable[[Program], list[psutil.Process]], programs: Sequence[Program], random: Random
) -> None:
    processes = [process for program in programs for process in find(program)]
    with suppress(psutil.NoSuchProcess):  # a fork may have ended
        random.choice(processes).kill()
