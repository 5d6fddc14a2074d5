"""Redis servers whose replicas take their place while servers and workers run."""

import time
from collections.abc import Callable
from itertools import count

import pytest

from symbolon import Client, ModuleOutcome
from tests.app.conftest import wait_until
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.known_modules import KnownModule, Question, known_modules
from tests.system.redis.replicated import Replicated, replicated
from tests.system.traffic import Traffic

HEALED_SECONDS = 10.0

# What is frozen is noticed by timeouts, which a loaded machine makes longer.
FAILOVERS = pytest.mark.parametrize(
    ("fail_over", "role"),
    [
        (Replicated.demote, "cache"),
        (Replicated.kill, "store"),
        pytest.param(Replicated.freeze, "cache", marks=pytest.mark.alone),
        pytest.param(Replicated.demote, "store", marks=pytest.mark.soak),
        pytest.param(Replicated.kill, "cache", marks=pytest.mark.soak),
        pytest.param(Replicated.freeze, "store", marks=[pytest.mark.alone, pytest.mark.soak]),
    ],
)


def are_found(site: Site, client: Client, modules: list[KnownModule]) -> bool:
    """Have the supplier hold modules; return whether a call found them, and nothing wrong."""
    for module in modules:
        site.supplier.put(module.module_id, module.symbol_file())
    question = Question(modules, [[0]] * len(modules))
    answer = client.symbolicate(*question.request())
    assert question.wrong_in(answer) == []
    return {module.outcome for module in answer.modules} == {ModuleOutcome.FOUND}


@pytest.mark.promise("A Redis failover fails no call, and new modules are found within 10 s")
@FAILOVERS
def test_after_a_failover_new_modules_are_found_within_seconds_and_no_call_failed(
    site: Site, role: str, fail_over: Callable[[Replicated], None]
) -> None:
    warm = known_modules(range(4))
    cold = (KnownModule(number, 10) for number in count(100))
    with replicated(site.pair, role) as servers:
        site.work()
        target = site.serve(**SMALL_MEMORY).await_address()
        client = site.connect_to(target)

        assert are_found(site, client, warm)
        with Traffic(target, warm) as traffic:
            traffic.take_after(calls=5).check()
            fail_over(servers)
            start = time.monotonic()
            wait_until(lambda: are_found(site, client, [next(cold)]))
            assert time.monotonic() - start < HEALED_SECONDS
            wait_until(lambda: are_found(site, client, [next(cold)]))
            traffic.take_after(calls=5).check()


@pytest.mark.promise("A Redis failover fails no call, and new modules are found within 10 s")
def test_what_is_invalidated_after_a_failover_is_heard_by_servers_that_only_read(
    site: Site,
) -> None:
    [module] = known_modules([1])
    site.supplier.put(module.module_id, module.symbol_file())
    question = Question([module], [[0]])
    with replicated(site.pair, "cache") as servers:
        site.work()
        clients = [site.new_client() for _ in range(2)]
        for client in clients:
            client.symbolicate(*question.request())
        site.supplier.put(module.module_id, module.symbol_file(edition=1))
        servers.demote()
        clients[0].invalidate_modules(question.request()[0])
        wait_until(lambda: {function_of(client, question) for client in clients} == {"known1_1_0"})


def function_of(client: Client, question: Question) -> str | None:
    return client.symbolicate(*question.request()).stacks[0][0].function
