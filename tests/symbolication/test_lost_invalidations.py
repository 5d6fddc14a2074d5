"""What servers and workers answer after the cache has lost which modules were to be forgotten."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import redis

from symbolon_server.cache.invalidations import MOST_MODULES, InvalidationLog
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.redis_servers.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.store.spool import Spool
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.working.workers import RunningWorker
from tests.symbolication.conftest import MEGABYTE, File, Host, OpenHost
from tests.symbolication.test_invalidation import better_file, function

AHEAD = 60 * 10**6
"""A minute in the unit of numbers."""


def deleted(cache: redis.Redis) -> None:
    cache.delete(INVALIDATED_KEY)


def emptied(cache: redis.Redis) -> None:
    cache.flushall()


def failed_over(cache: redis.Redis) -> None:
    """Become what a replica is that lacks the last second, and is promoted."""
    cache.zpopmax(INVALIDATED_KEY)
    cache.replicaof("127.0.0.1", "1")
    cache.replicaof("NO", "ONE")


Lose = Callable[[redis.Redis], None]
LOSSES = pytest.mark.parametrize("lose", [deleted, emptied, failed_over])


def let_the_clock_go_back(cache: redis.Redis) -> None:
    """Let all numbers so far be of a clock that was a minute ahead."""
    for name in cast("list[bytes]", cache.zrange(INVALIDATED_KEY, 0, -1)):
        cache.zincrby(INVALIDATED_KEY, AHEAD, name)


@pytest.mark.promise("Invalidations survive the loss of their log; no old page is ever used")
@LOSSES
def test_what_was_invalidated_is_found_anew_after_the_loss_of_its_number(
    open_host: OpenHost, file: File, worker: RunningWorker, redis_cache: redis.Redis, lose: Lose
) -> None:
    host = open_host(hears=True)
    assert function(host, file.module_id) == "function_0"
    file.supplier.put(file.module_id, better_file(file.module_id))
    host.invalidator.invalidate([file.module_id])
    lose(redis_cache)
    host.invalidator.catch_up()
    assert function(host, file.module_id) == "better_0"


@pytest.mark.promise("Invalidations survive the loss of their log; no old page is ever used")
@LOSSES
@pytest.mark.usefixtures("worker")
def test_old_pages_in_a_spool_are_ignored_after_the_loss_of_the_number(
    open_host: OpenHost, spooled: ModuleId, spool: Spool, redis_cache: redis.Redis, lose: Lose
) -> None:
    host = open_host()
    host.invalidator.invalidate([spooled])
    assert spool.get_directories([spooled]) != [None]
    lose(redis_cache)
    host.invalidator.catch_up()
    returning = open_host(spool)
    assert function(returning, spooled) == "function_0"
    module = returning.held.modules.get(spooled)
    assert module is not None
    assert module.directory.ingest.as_of > 0, "it is what was in the spool"


@pytest.mark.promise("Invalidations survive the loss of their log; no old page is ever used")
@LOSSES
@pytest.mark.usefixtures("worker")
def test_a_worker_with_old_pages_learns_of_an_invalidation_whose_number_was_lost(
    open_host: OpenHost, file: File, worker_spool: Path, redis_cache: redis.Redis, lose: Lose
) -> None:
    host = open_host(hears=True)
    assert function(host, file.module_id) == "function_0"
    assert Spool(worker_spool, 64 * MEGABYTE).get_directories([file.module_id]) != [None]
    file.supplier.put(file.module_id, better_file(file.module_id))
    host.invalidator.invalidate([file.module_id])
    lose(redis_cache)
    host.invalidator.catch_up()
    assert function(host, file.module_id) == "better_0"


@pytest.mark.promise("Invalidations survive the loss of their log; no old page is ever used")
@pytest.mark.usefixtures("worker")
def test_after_many_invalidations_a_lost_cache_blocks_no_new_module(
    open_host: OpenHost, file: File, redis_cache: redis.Redis
) -> None:
    host = open_host(hears=True)
    many = [ModuleId.parse("m.so", f"{number:032X}0") for number in range(MOST_MODULES + 1)]
    host.invalidator.invalidate(many[:1])
    host.invalidator.invalidate(many[1:])
    assert host.tiers.invalidations.is_stale(file.module_id, 0)
    redis_cache.flushall()
    assert function(host, file.module_id) == "function_0"


@pytest.mark.promise("Invalidations survive the loss of their log; no old page is ever used")
def test_an_invalidation_in_a_cache_whose_clock_is_behind_reaches_all_servers(
    open_host: OpenHost, file: File, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    hosts = [open_host() for _ in range(2)]
    hosts[0].invalidator.invalidate([ModuleId.parse("other.so", "0" * 33)])
    let_the_clock_go_back(redis_cache)
    catch_up(hosts)
    assert [function(host, file.module_id) for host in hosts] == ["function_0"] * 2
    redis_cache.flushall()
    file.supplier.put(file.module_id, better_file(file.module_id))
    hosts[0].invalidator.invalidate([file.module_id])
    catch_up(hosts)
    assert [function(host, file.module_id) for host in hosts] == ["better_0"] * 2


@pytest.mark.promise("Invalidations survive the loss of their log; no old page is ever used")
def test_servers_that_knew_different_invalidations_know_them_all_after_a_loss(
    open_host: OpenHost, redis_cache: redis.Redis
) -> None:
    modules = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(3)]
    first, second = open_host(), open_host()
    first.invalidator.invalidate(modules[:1])
    redis_cache.flushall()
    second.invalidator.invalidate(modules[1:2])
    redis_cache.delete(INVALIDATED_KEY)
    second.invalidator.invalidate(modules[2:])
    for _ in range(2):  # each puts back what it knows, then learns of the others
        catch_up([first, second])
    for host in (first, second):
        assert all(host.tiers.invalidations.is_stale(module_id, 1) for module_id in modules)
    epoch = redis_cache.get(EPOCH_KEY)
    catch_up([first, second])
    assert redis_cache.get(EPOCH_KEY) == epoch
    log = InvalidationLog(KeyedCache(redis_cache))
    assert log.read_since(0, "").numbers.keys() == set(modules)


def catch_up(hosts: list[Host]) -> None:
    for host in hosts:
        host.invalidator.catch_up()
