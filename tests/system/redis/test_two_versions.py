"""Two versions share one store and one cache: side by side, through an upgrade, and back."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon_server.ingest.queueing.scripts import KEPT_SECONDS
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program, starting, wait_until
from tests.fixtures.installing import MARK
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions, site_of
from tests.system.redis.other_versions import earlier_tree, environment_of, next_tree

NEXT, EARLIER = "next", "earlier"


@dataclass(frozen=True, slots=True)
class Versions:
    """The programs of this version and of another one, on the same Redis servers and supplier."""

    this: Site
    other: Site

    @property
    def both(self) -> tuple[Site, Site]:
        return self.this, self.other

    def put(self, count: int) -> list[ModuleId]:
        """Let the supplier have so many modules."""
        modules = [numbered_module(number) for number in range(count)]
        for module_id in modules:
            self.this.supplier.put(module_id, symbol_file(module_id))
        return modules

    def most_fetches(self) -> int:
        return max(self.this.supplier.counts().values())


@pytest.fixture(params=[NEXT, pytest.param(EARLIER, marks=getattr(pytest.mark, MARK))])
def versions(
    request: pytest.FixtureRequest, site: Site, environment: dict[str, str], tmp_path: Path
) -> Iterator[Versions]:
    folder = tmp_path / "other"
    folder.mkdir()
    tree = next_tree(folder / "tree") if request.param == NEXT else earlier_tree()
    with (
        starting(environment_of(tree, environment), folder) as start,
        site_of(site.pair, site.supplier, start, site.spool) as other,
    ):
        yield Versions(site, other)


def is_answered(client: Client, module_id: ModuleId, function: str = "function_1") -> bool:
    return functions(ask(client, [(module_id, 32)])) == [function]


def outcome_of(client: Client, module_id: ModuleId) -> ModuleOutcome:
    return client.get_module(module_id.debug_file, module_id.debug_id).outcome


def queue(client: Client, module_id: ModuleId) -> None:
    """Ask for a module without waiting; no worker is there to take it."""
    modules = [Module(module_id.debug_file, module_id.debug_id)]
    (result,) = client.symbolicate(modules, [[Frame(0, 0)]], max_wait=0).modules
    assert result.outcome is ModuleOutcome.PENDING


def stop(*programs: Program) -> None:
    for program in programs:
        assert program.end(signal.SIGTERM) == 0


def queue_keys(site: Site) -> list[bytes]:
    patterns = ("{ingest:*", "rq:*", "ingest:*")
    return [key for pattern in patterns for key in site.cache.scan_iter(match=pattern)]


@pytest.mark.promise("Two versions share both Redis servers; a downgrade finds its queue")
def test_each_of_two_versions_is_served_by_its_own_workers(versions: Versions) -> None:
    modules = versions.put(6)
    gone = numbered_module(99)
    clients = []
    for site in versions.both:
        site.work()
        clients.append(site.new_client())
    for number, module_id in enumerate(modules):
        for client in clients if number % 2 else clients[::-1]:
            assert is_answered(client, module_id)
    assert versions.most_fetches() == 2  # one for each version
    assert [outcome_of(client, module_id) for client in clients for module_id in modules] == [
        ModuleOutcome.FOUND
    ] * 12
    for client in clients:
        assert functions(ask(client, [(gone, 0)])) == [None]
        assert outcome_of(client, gone) is ModuleOutcome.MISSING
    # What one forgets, both forget.
    versions.this.supplier.put(modules[0], symbol_file(modules[0]).replace(b"function_", b"new_"))
    clients[0].invalidate_modules([Module(modules[0].debug_file, modules[0].debug_id)])
    wait_until(lambda: all(is_answered(client, modules[0], "new_1") for client in clients))


@pytest.mark.promise("Two versions share both Redis servers; a downgrade finds its queue")
def test_after_an_upgrade_the_way_back_within_a_week_finds_what_was_queued(
    versions: Versions,
) -> None:
    held, before, after = versions.put(3)
    this, other = versions.both
    # The other version serves, and is shut down with a module in line.
    worker, server = other.work(), other.serve()
    client = other.connect(server)
    assert is_answered(client, held)
    stop(worker)
    queue(client, before)
    stop(server)
    # This version takes its place, and is shut down in the same way.
    worker, server = this.work(), this.serve()
    client = this.connect(server)
    assert is_answered(client, held)
    assert is_answered(client, before)
    stop(worker)
    queue(client, after)
    stop(server)
    left = queue_keys(this)
    assert left
    assert all(0 < this.cache.ttl(key) <= KEPT_SECONDS for key in left)
    # The way back: what was in line is done, and what the other version had left is not.
    worker, server = other.work(), other.serve()
    client = other.connect(server)
    wait_until(lambda: outcome_of(client, before) is ModuleOutcome.FOUND)
    assert outcome_of(client, after) is not ModuleOutcome.PENDING
    assert is_answered(client, after)
    stop(worker, server)
    # And forth again.
    this.work()
    client = this.new_client()
    wait_until(lambda: outcome_of(client, after) is ModuleOutcome.FOUND)
    assert versions.most_fetches() <= 2
