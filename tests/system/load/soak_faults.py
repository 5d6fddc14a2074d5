"""Every fault of a soak by name, each for as long as a context is open."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from random import Random

import psutil

from tests.app.conftest import Program, wait_until
from tests.fixtures.symbol_server import ALL_PATHS, Answer
from tests.system.conftest import Site
from tests.system.faults.page_harms import PAGE_HARMS, publish_one_anew
from tests.system.faults.spool_harms import spoil
from tests.system.known_modules import KnownModule
from tests.system.load.soak_redis import Fault, SoakRedis
from tests.system.processes import all_listen, serving_processes, workers


def faults_of(
    servers: SoakRedis,
    programs: Sequence[Program],
    modules: Sequence[KnownModule],
    random: Random,
) -> Mapping[str, Fault]:
    """Return what can be made to happen, by name; the first of `programs` has several processes."""
    site = servers.site
    pages = {
        f"pages: {harm.__name__}": partial(_done, partial(harm, site, random))
        for harm in PAGE_HARMS
    }
    others: dict[str, Fault] = {
        "pages: publish anew": partial(_done, partial(publish_one_anew, site, random, modules)),
        "spool spoilt": partial(_done, partial(spoil, site.spool, random)),
        "supplier fails": partial(_failing_supplier, site),
        "worker killed": partial(_killed_worker, programs, random),
        "serving process killed": partial(_killed_serving_process, programs[0], random),
    }
    return {**servers.faults, **pages, **others}


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


@contextmanager
def _killed_worker(programs: Sequence[Program], random: Random) -> Iterator[None]:
    processes = [process for program in programs for process in workers(program)]
    with suppress(psutil.NoSuchProcess):  # it may have been a fork that ended
        random.choice(processes).kill()
    yield


@contextmanager
def _killed_serving_process(program: Program, random: Random) -> Iterator[None]:
    """Kill one of several; another one is killed only when all are there again."""
    processes = serving_processes(program)
    random.choice(processes).kill()
    yield
    wait_until(lambda: all_listen(program, len(processes)))
