"""A store in every kind of trouble, under load: what callers see, and that it is used again."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

import pytest

from symbolon import Client, ModuleOutcome, Tier
from tests.system.conftest import SMALL_MEMORY, Site, diagnostics_of, hits
from tests.system.faults.store_faults import DEBUGGED, STORE_FAULTS, StoreFault
from tests.system.known_modules import SPACING, KnownModule, Question, known_modules
from tests.system.redis.redis_proxy import RedisProxy
from tests.system.traffic import Traffic

DEADLINE_SECONDS = 10.0
FAULT_SECONDS = 1.0
DEAD_STORE_SECONDS = 1.0
RECOVERY_SECONDS = 5.0

# Of what answers nothing, calls are to lose no more than a second.
FAULTS = [
    pytest.param(fault, id=fault.name, marks=[pytest.mark.alone] if fault.is_dead else [])
    for fault in STORE_FAULTS
]


@dataclass(frozen=True, slots=True)
class Served:
    """A server and a client of it."""

    target: str
    client: Client


@pytest.fixture(scope="module")
def modules() -> list[KnownModule]:
    return known_modules(range(16))


@pytest.fixture(scope="module")
def proxy(shared_site: Site) -> RedisProxy:
    """What stands between the store and who connects from now on."""
    shared_site.pair.stop("store")
    shared_site.pair.start("store", **DEBUGGED)
    return shared_site.pair.put_proxy_before("store")


@pytest.fixture(scope="module")
def served(shared_site: Site, proxy: RedisProxy, modules: list[KnownModule]) -> list[Served]:
    """A server with a spool and one without; all modules are at the supplier."""
    for module in modules:
        shared_site.supplier.put(module.module_id, module.symbol_file())
    shared_site.work()
    programs = [
        shared_site.serve(**SMALL_MEMORY),
        shared_site.serve(spool_bytes="0", **SMALL_MEMORY),
    ]
    targets = [program.await_address() for program in programs]
    return [Served(target, shared_site.connect_to(target)) for target in targets]


def is_used(client: Client, question: Question) -> bool:
    """Tell whether a call was answered whole, from the store and without a warning."""
    answer = client.symbolicate(*question.request(), with_diagnostics=True)
    assert question.wrong_in(answer) == []
    is_whole = {module.outcome for module in answer.modules} == {ModuleOutcome.FOUND}
    return is_whole and not diagnostics_of(answer).warnings and hits(answer, Tier.STORE) > 0


def seconds_until_used(client: Client, modules: list[KnownModule]) -> float:
    """Return how long it takes until the store is used."""
    start = time.monotonic()
    for place in count():
        question = Question(modules, [[place % 2_000 * SPACING]] * len(modules))
        if is_used(client, question):
            break
        assert time.monotonic() < start + 60.0
    return time.monotonic() - start


@pytest.mark.promise("A store in trouble fails no call, and is used again within 5 s")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_in_trouble_fails_no_call_and_is_used_again_within_seconds(
    shared_site: Site,
    proxy: RedisProxy,
    served: list[Served],
    modules: list[KnownModule],
    fault: StoreFault,
) -> None:
    for each in served:
        seconds_until_used(each.client, modules)
    with ExitStack() as running:
        traffics = [
            running.enter_context(Traffic(each.target, modules, timeout=DEADLINE_SECONDS))
            for each in served
        ]
        with fault.inflict(shared_site, proxy):
            before = [traffic.take() for traffic in traffics]
            traffics[0].wait_for(seconds=FAULT_SECONDS)
            during = [traffic.take_after(calls=10) for traffic in traffics]
        recovered = [seconds_until_used(each.client, modules) for each in served]
        after = [traffic.take_after(calls=1) for traffic in traffics]
    for tally in (*during, *after):
        tally.check()
        assert tally.slowest_seconds < DEADLINE_SECONDS
    assert sum(tally.failed + tally.wrong for tally in before) == 0
    if fault.is_dead:
        assert max(tally.longest_store_seconds for tally in during) < DEAD_STORE_SECONDS
    assert max(recovered) < RECOVERY_SECONDS
