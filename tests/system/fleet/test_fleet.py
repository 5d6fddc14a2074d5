"""A fleet under a day's reports, of which one part after the other is lost, added or removed."""

import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from symbolon import Client, ModuleOutcome
from tests.app.conftest import fork, wait_until
from tests.fixtures.clusters import PRIMARIES
from tests.fixtures.symbol_server import Answer, Ending, SymbolServer
from tests.system.fleet.clients import Clients
from tests.system.fleet.day import modules_of, publish
from tests.system.fleet.fleet import Fleet, Host, hit_ratios, running_fleet
from tests.system.known_modules import KnownModule, Question, known_modules, unanswered_in

SERVERS, WORKERS = 4, 3
REPORTS_AN_HOUR: Final = 20
HOURS: Final = 100
"""More than the test takes."""

ABSENT_SECONDS: Final = 8.0
"""Longer than jobs are left to a worker that claims nothing."""

JOIN_SECONDS: Final = 30.0
JOIN_SHARE: Final = 0.9
RATIO_SECONDS: Final = 3.0
"""For how long lookups are counted for one hit ratio."""


class Trial:
    """A fleet and its clients, and what happens to them; each step returns when it is over."""

    def __init__(self, fleet: Fleet, clients: Clients) -> None:
        self.fleet = fleet
        self.clients = clients
        self.excused = Counter[str]()
        """The modules that may be fetched once more, by path: an ingest was broken off, or nobody
        was there to read their spool."""

        self.join_seconds = 0.0
        self.notes: list[str] = []

    def kill_a_server(self) -> None:
        host = self.fleet.hosts[3]
        self.fleet.kill_server(host)
        self.clients.wait_for_hours(1)
        self.fleet.serve(host)

    def kill_a_worker(self) -> None:
        """What it was working on, and what lies in its spool, may be fetched until it is back."""
        host, supplier = self.fleet.hosts[0], self.fleet.supplier
        running = self.fleet.kill_worker(host)
        self.excused.update(SymbolServer.path_of(module_id) for module_id in running)
        spooled, before = host.spooled_modules(), supplier.counts()
        self.clients.wait_for(ABSENT_SECONDS)
        self.fleet.work(host)
        for module_id in spooled - running:
            path = SymbolServer.path_of(module_id)
            self.excused[path] += supplier.counts()[path] - before[path]

    def kill_a_primary(self) -> None:
        self.fleet.cluster.kill(1)
        wait_until(lambda: self.fleet.cluster.is_primary(PRIMARIES + 1))

    def kill_a_replica(self) -> None:
        self.fleet.cluster.kill(PRIMARIES + 2)

    def kill_a_client(self) -> None:
        self.clients.kill_one()
        wait_until(lambda: self.clients.killed == 1)

    def cut_a_fetch(self) -> None:
        """Close the supplier's connection in the middle of the next new module."""
        hour = self.clients.newest_hour
        module = modules_of(hour + 2)[-1]
        body = module.symbol_file()
        path = SymbolServer.path_of(module.module_id)
        self.fleet.supplier.answer(path, Answer(body, ending=Ending.CUT), Answer(body))
        self.excused[path] += 1
        wait_until(lambda: self.fleet.supplier.counts()[path] > 0)

    def evict_everything(self) -> None:
        self.fleet.evict_all()

    def add_a_server(self) -> None:
        """Measure how soon an empty server's hit ratios are those of the others."""
        host = self.fleet.add_host()
        self.fleet.serve(host)
        start = time.monotonic()
        while not (found := self._compare_ratios(host)):
            assert time.monotonic() - start < JOIN_SECONDS
        self.join_seconds = time.monotonic() - start
        self.notes.append(f"hit ratios, others and joined: {found}")

    def remove_a_server(self) -> None:
        assert self.fleet.remove_server(self.fleet.hosts[1]) == 0

    def _compare_ratios(self, joined: Host) -> dict[str, tuple[float, float]]:
        """Return the mean ratio of the others and that of one, by tier; empty if one is too low."""
        hosts = self.fleet.serving
        before = [self.fleet.lookups_of(host) for host in hosts]
        self.clients.wait_for(RATIO_SECONDS)
        after = [self.fleet.lookups_of(host) for host in hosts]
        ratios = [hit_ratios(*both) for both in zip(before, after, strict=True)]
        own = ratios[hosts.index(joined)]
        found = {}
        for tier in own:
            others = [one[tier] for one in ratios if one and one is not own]
            mean = sum(others) / max(1, len(others))
            if not others or own[tier] < JOIN_SHARE * mean:
                return {}
            found[tier] = (mean, own[tier])
        return found


def all_is_answered(client: Client, modules: list[KnownModule]) -> bool:
    """Return whether a server answers for all modules; nothing may be wrong."""
    question = Question(modules, [[0, 32 * 1_999] for _ in modules])
    answer = client.symbolicate(*question.request())
    assert question.wrong_in(answer) == []
    assert ModuleOutcome.MISSING not in {module.outcome for module in answer.modules}
    return unanswered_in(answer) == 0


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.promise("A fleet loses one of each kind without a failed call or a wrong answer")
@pytest.mark.promise("What the store evicted and any host's spool has is not fetched again")
def test_a_fleet_loses_one_of_each_kind_and_fetches_each_module_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with running_fleet(tmp_path, SERVERS, WORKERS, fork) as fleet:
        publish(fleet.supplier, HOURS)
        with Clients(fleet.target, tmp_path, REPORTS_AN_HOUR) as clients:
            trial = Trial(fleet, clients)
            clients.wait_for_hours(1)
            for step in (
                trial.kill_a_server,
                trial.kill_a_worker,
                trial.kill_a_primary,
                trial.kill_a_replica,
                trial.kill_a_client,
                trial.cut_a_fetch,
                trial.add_a_server,
                trial.remove_a_server,
                trial.evict_everything,
            ):
                step()
                clients.wait_for_hours(1)
                trial.notes.append(f"{time.monotonic() - start:.0f} s: {step.__name__}")
        tally = clients.tally
        assert (tally.failed, tally.wrong) == (0, 0), clients.problems
        asked = known_modules(range(modules_of(clients.newest_hour - 1)[-1].number + 1))
        for client in map(fleet.client_of, fleet.serving):
            wait_until(partial(all_is_answered, client, asked))
        fetched_again = check_fetches(fleet, asked, trial.excused)
    sys.stdout.write("\n".join([*trial.notes, f"{tally}", f"joined in {trial.join_seconds:.0f} s"]))
    sys.stdout.write(f"\n{len(asked)} modules, {fetched_again} fetched again\n")


def check_fetches(fleet: Fleet, asked: list[KnownModule], excused: Counter[str]) -> int:
    """Check that each module was fetched once, but for broken ingests; return those that were."""
    counts = fleet.supplier.counts()
    again = {path: count - 1 for path, count in counts.items() if count > 1}
    assert all(count <= excused[path] for path, count in again.items()), (again, excused)
    assert set(counts) >= {SymbolServer.path_of(module.module_id) for module in asked}
    return sum(again.values())
