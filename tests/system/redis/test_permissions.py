"""Everything that servers and workers do, as the users of the Redis servers that are documented."""

import signal

import pytest
import redis

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_store import RedisPageStore
from tests.app.conftest import PATIENCE_SECONDS, Program, StartProgram, wait_until
from tests.fixtures.redis_users import denied, documented_rules, make_user, url_of
from tests.fixtures.symbol_server import Answer
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions

THERE, GONE, FAILING, LATER, QUEUED = map(numbered_module, range(1, 6))
EARLIER = ("rq:queue:prefetch", "rq:job:a", "ingest:wanted:a")


@pytest.fixture
def urls(site: Site) -> dict[str, str]:
    """Settings with the URLs of users that were made on both servers as documented."""
    for role, admin in (("store", site.store), ("cache", site.cache)):
        make_user(admin, role, documented_rules(role))
    for key in EARLIER:
        site.cache.set(key, "")
    for admin in (site.store, site.cache):
        admin.config_resetstat()
    return {f"{role}_url": url_of(role, site.pair.url(role)) for role in ("store", "cache")}


def used_commands(admin: redis.Redis) -> set[str]:
    """Return the commands that were called since the statistics began, by their names in rules."""
    return {f"+{name.removeprefix('cmdstat_')}" for name in admin.info("commandstats")}


def lacking(role: str, admin: redis.Redis) -> set[str]:
    return {rule for rule in documented_rules(role) if rule[0] == "+"} - used_commands(admin)


@pytest.mark.promise("The documented Redis permissions suffice, and check names missing ones")
def test_all_that_is_done_needs_no_other_permissions_than_documented_and_all_of_those(
    site: Site, start: StartProgram, urls: dict[str, str]
) -> None:
    for module_id in (THERE, LATER):
        site.supplier.put(module_id, symbol_file(module_id))
    site.supplier.answer(site.supplier.path_of(FAILING), *[Answer(status=500)] * 100)
    settings = {**urls, "supplier_total_seconds": "2"}
    programs = [site.work(**settings), site.serve(**settings)]
    client = site.connect(programs[1])
    call_everything(client)
    again = site.serve(**settings, spool_bytes="0")
    assert functions(ask(site.connect(again), [(THERE, 32)])) == ["function_1"]
    lose_the_log(site)
    wait_until(lambda: int(site.cache.ttl(EARLIER[0])) > 0)
    stop([*programs, again])
    evict_some(site.store)
    use_in_this_process(urls)
    assert (denied(site.store), denied(site.cache)) == ([], [])
    assert (lacking("store", site.store), lacking("cache", site.cache)) == (set(), set())
    check = start("check", suppliers=site.supplier.url, **urls)
    output, _ = check.process.communicate(timeout=PATIENCE_SECONDS)
    assert check.process.returncode == 0, output


def call_everything(client: Client) -> None:
    """Make each call, of modules of each outcome."""
    answer = ask(client, [(THERE, 32), (GONE, 0), (FAILING, 0)])
    assert [module.outcome for module in answer.modules] == [
        ModuleOutcome.FOUND,
        ModuleOutcome.MISSING,
        ModuleOutcome.UNAVAILABLE,
    ]
    assert functions(ask(client, [(THERE, 32)])) == ["function_1"]
    later = Module(LATER.debug_file, LATER.debug_id, "later", "1234")
    client.prefetch_modules([later])
    wait_until(lambda: client.get_module(*LATER).outcome is ModuleOutcome.FOUND)
    client.symbolicate([later], [[Frame(0, 0)]])
    explanation = client.explain_frame(THERE.debug_file, THERE.debug_id, 32)
    assert explanation.frame.function == "function_1"
    wait_until(lambda: client.list_missing_modules().total == 1)
    client.invalidate_modules([Module(GONE.debug_file, GONE.debug_id), later])
    assert functions(ask(client, [(THERE, 32), (LATER, 0)])) == ["function_1", "function_0"]
    info = client.get_store_info()
    assert info.store.version
    assert info.cache.version
    assert info.modules >= 1
    assert info.warnings == ()


def lose_the_log(site: Site) -> None:
    """Have the log of invalidations put back by those who know it."""
    known = site.cache.zcard("invalidated")
    site.cache.delete("invalidated", "invalidated:epoch")
    wait_until(lambda: site.cache.zcard("invalidated") >= known)


def stop(programs: list[Program]) -> None:
    assert [program.end(signal.SIGTERM) for program in programs] == [0] * len(programs)
    for program in programs:
        assert "redis_refused" not in program.log


def evict_some(admin: redis.Redis) -> None:
    """Have the store evict some of its keys."""
    for number in range(300):
        admin.set(f"page:ballast:{number}", bytes(10_000))
    admin.config_set("maxmemory", int(admin.info("memory")["used_memory"]) - (1 << 20))
    admin.set("page:ballast:0", bytes(10_000))


def use_in_this_process(urls: dict[str, str]) -> None:
    """Do what takes servers and workers long, or happens seldom."""
    with connect(urls["store_url"]) as store, connect(urls["cache_url"]) as cache:
        RedisPageStore(store).touch([THERE], [])
        assert RedisPageStore(store).sample_idle_seconds()
        assert RedisPageStore(store).takes_ages()
        queue, desk = IngestQueue(cache), ClaimDesk(cache, 10.0, worker="test")
        queue.enqueue({QUEUED: [1]}, Band.AWAITED, wait_seconds=10.0)
        assert queue.look([QUEUED]).ended == frozenset()
        assert desk.give_back(claim(desk))
        assert queue.get_lengths()[Band.AWAITED] == 1
        claimed = claim(desk)
        assert desk.renew(claimed)
        assert desk.end(claimed)
        assert queue.find_ended([QUEUED]) == {QUEUED}
        spooled, other = (ClaimDesk(cache, 10.0, spool=spool) for spool in (1, 2))
        queue.enqueue({QUEUED: [1]}, Band.WANTED)
        assert spooled.end(claim(spooled), is_spooled=True)
        queue.enqueue({QUEUED: [1]}, Band.WANTED)
        assert not isinstance(other.claim(), Claim)
        assert spooled.end(claim(spooled))
        cache.zadd(scripts.LINE_KEY, {"no module": 0})
        assert not isinstance(desk.claim(), Claim)


def claim(desk: ClaimDesk) -> Claim:
    found = desk.claim()
    assert isinstance(found, Claim)
    return found
