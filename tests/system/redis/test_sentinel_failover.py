"""Redis servers that Sentinels replace while servers and workers run."""

import time
from collections.abc import Callable
from itertools import count

import pytest

from symbolon import Client, SymbolonError
from tests.app.conftest import wait_until
from tests.fixtures.sentinels import Watched, watched
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.known_modules import KnownModule, Question, known_modules
from tests.system.redis.test_failover import are_found, function_of
from tests.system.traffic import Traffic

HEALED_SECONDS = 15.0
"""From the failure to the first new module, of which the Sentinels take three to four."""


@pytest.mark.promise("A Sentinel failover fails no call, loses no invalidation, takes 15 s at most")
@pytest.mark.parametrize(
    ("fail", "role"),
    [
        (Watched.kill, "store"),
        (Watched.freeze, "cache"),
        (Watched.hand_over, "cache"),
        *(
            pytest.param(fail, role, marks=pytest.mark.soak)
            for fail, role in (
                (Watched.kill, "cache"),
                (Watched.freeze, "store"),
                (Watched.hand_over, "store"),
            )
        ),
    ],
)
def test_when_sentinels_fail_over_no_call_fails_and_new_modules_are_found(
    site: Site, role: str, fail: Callable[[Watched], None]
) -> None:
    warm = known_modules(range(4))
    cold = (KnownModule(number, 10) for number in count(100))
    with watched(role, replicas=2) as servers:
        url = {f"{role}_url": servers.url()}
        site.work(**url)
        target = site.serve(**SMALL_MEMORY, **url).await_address()
        client = site.connect_to(target)

        assert are_found(site, client, warm)
        old = servers.primary_port()
        with Traffic(target, warm) as traffic:
            traffic.take_after(calls=5).check()
            fail(servers)
            start = time.monotonic()
            wait_until(
                lambda: (
                    are_found(site, client, [next(cold)]) and servers.names_only_others_than(old)
                )
            )
            wait_until(lambda: are_found(site, client, [next(cold)]))
            assert time.monotonic() - start < HEALED_SECONDS
            wait_until(lambda: are_found(site, client, [next(cold)]))
            tally = traffic.take_after(calls=5)
        tally.check()


@pytest.mark.promise("A Sentinel failover fails no call, loses no invalidation, takes 15 s at most")
@pytest.mark.parametrize(
    "fail",
    [
        Watched.kill,
        *(
            pytest.param(fail, marks=pytest.mark.soak)
            for fail in (Watched.freeze, Watched.hand_over)
        ),
    ],
)
def test_what_was_invalidated_just_before_a_failover_and_after_it_is_heard_by_all(
    site: Site, fail: Callable[[Watched], None]
) -> None:
    modules = known_modules([1, 2])
    questions = [Question([module], [[0]]) for module in modules]
    for module in modules:
        site.supplier.put(module.module_id, module.symbol_file())
    with watched("cache") as servers:
        url = {"cache_url": servers.url()}
        site.work(**url)
        clients = [site.new_client(**url) for _ in range(2)]
        for client in clients:
            assert [function_of(client, question) for question in questions] == [
                "known1_0_0",
                "known2_0_0",
            ]
        for module in modules:
            site.supplier.put(module.module_id, module.symbol_file(edition=1))
        old = servers.primary_port()
        clients[0].invalidate_modules(questions[0].request()[0])
        fail(servers)
        wait_until(lambda: answers_of(clients, questions[0]) == {"known1_1_0"})
        wait_until(lambda: servers.names_only_others_than(old))
        wait_until(lambda: is_invalidated(clients[1], questions[1]))
        wait_until(lambda: answers_of(clients, questions[1]) == {"known2_1_0"})
        assert answers_of(clients, questions[0]) == {"known1_1_0"}


def answers_of(clients: list[Client], question: Question) -> set[str | None]:
    return {function_of(client, question) for client in clients}


def is_invalidated(client: Client, question: Question) -> bool:
    """Return whether modules could be invalidated; while there is no cache, they cannot."""
    try:
        client.invalidate_modules(question.request()[0])
    except SymbolonError:
        return False
    return True
