"""A cache in trouble, under load: what is held is answered, and the rest says when."""

import time
from itertools import count

import pytest

from symbolon import Client, ModuleOutcome, Symbolication
from tests.app.conftest import wait_until
from tests.system.conftest import Site
from tests.system.faults.cache_faults import CACHE_FAULTS, CacheFault
from tests.system.known_modules import KnownModule, Question, known_modules
from tests.system.traffic import Traffic

pytestmark = pytest.mark.alone

DEAD_CACHE_SECONDS = 1.0
NEW_NUMBERS = count(100)
RECOVERY_SECONDS = 5.0


@pytest.fixture(scope="module")
def modules(shared_site: Site) -> list[KnownModule]:
    modules = known_modules(range(20), functions=200)
    for module in modules:
        shared_site.supplier.put(module.module_id, module.symbol_file())
    return modules


@pytest.fixture(scope="module")
def target(shared_site: Site) -> str:
    """The address of a server that has a worker."""
    shared_site.work()
    return shared_site.serve().await_address()


@pytest.fixture(scope="module")
def client(shared_site: Site, target: str) -> Client:
    return shared_site.connect_to(target)


def first_frames(client: Client, modules: list[KnownModule]) -> Symbolication:
    question = Question(modules, [[0]] * len(modules))
    answer = client.symbolicate(*question.request())
    assert question.wrong_in(answer) == []
    return answer


def outcomes(answer: Symbolication) -> set[ModuleOutcome]:
    return {module.outcome for module in answer.modules}


def cold_module(site: Site) -> KnownModule:
    module = KnownModule(next(NEW_NUMBERS), 10)
    site.supplier.put(module.module_id, module.symbol_file())
    return module


@pytest.mark.promise("Without the cache, what is in memory is answered, and the rest says when")
@pytest.mark.parametrize("inflict", CACHE_FAULTS)
def test_while_the_cache_is_in_trouble_what_is_held_is_answered_and_new_modules_say_when(
    shared_site: Site, target: str, client: Client, modules: list[KnownModule], inflict: CacheFault
) -> None:
    assert outcomes(first_frames(client, modules)) == {ModuleOutcome.FOUND}
    cold = cold_module(shared_site)
    with Traffic(target, modules) as traffic:
        with inflict(shared_site):
            traffic.take_after(calls=20)
            start = time.monotonic()
            answer = first_frames(client, [cold])
            seconds = time.monotonic() - start
            during = traffic.take_after(calls=20)
        start = time.monotonic()
        wait_until(lambda: outcomes(first_frames(client, [cold])) == {ModuleOutcome.FOUND})
        recovered = time.monotonic() - start
    during.check()
    assert during.unanswered == 0
    assert outcomes(answer) == {ModuleOutcome.UNAVAILABLE}
    assert answer.modules[0].retry_after_seconds
    assert seconds < DEAD_CACHE_SECONDS
    assert recovered < RECOVERY_SECONDS


@pytest.mark.promise("Without the cache, what is in memory is answered, and the rest says when")
def test_a_cache_that_is_full_keeps_no_answer_back_and_works_again_with_more_room(
    shared_site: Site, client: Client, modules: list[KnownModule]
) -> None:
    assert outcomes(first_frames(client, modules)) == {ModuleOutcome.FOUND}
    cold = cold_module(shared_site)
    shared_site.cache.config_set("maxmemory", "1")
    try:
        held = first_frames(client, modules)
        question = Question([cold], [[0]])
        answer = client.symbolicate(*question.request(), max_wait=0.5)
    finally:
        shared_site.cache.config_set("maxmemory", "0")
    assert outcomes(held) == {ModuleOutcome.FOUND}
    assert question.wrong_in(answer) == []
    wait_until(lambda: outcomes(first_frames(client, [cold])) == {ModuleOutcome.FOUND})


@pytest.mark.promise("Redis servers that hang cost a call one second at most")
def test_with_both_servers_frozen_a_call_waits_for_a_second_at_most(
    shared_site: Site, client: Client, modules: list[KnownModule]
) -> None:
    first_frames(client, modules)
    cold = cold_module(shared_site)
    start = time.monotonic()
    first_frames(client, modules)
    unhurt = time.monotonic() - start
    with shared_site.pair.frozen("store"), shared_site.pair.frozen("cache"):
        start = time.monotonic()
        answer = first_frames(client, [*modules, cold])
        seconds = time.monotonic() - start
    assert outcomes(answer) == {ModuleOutcome.FOUND, ModuleOutcome.UNAVAILABLE}
    assert seconds - unhurt < 1.0


@pytest.mark.promise("Redis servers that hang cost a call one second at most")
def test_with_both_servers_frozen_they_are_told_about_within_a_second(
    shared_site: Site, client: Client
) -> None:
    client.get_store_info()
    with shared_site.pair.frozen("store"), shared_site.pair.frozen("cache"):
        start = time.monotonic()
        info = client.get_store_info()
        seconds = time.monotonic() - start
    assert not info.store.is_reachable
    assert not info.cache.is_reachable
    assert len(info.warnings) == 2
    assert seconds < 1.0
