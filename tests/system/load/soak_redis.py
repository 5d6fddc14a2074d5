"""The Redis servers of a soak, in one of the ways that operators set them up, and their faults."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, Final

import redis

from symbolon_server.redis_servers.servers import connect
from tests.app.conftest import wait_until
from tests.fixtures.clusters import RunningCluster, running_cluster
from tests.fixtures.redis_fixtures import PATIENT
from tests.fixtures.sentinels import Watched, watched
from tests.system.conftest import Site
from tests.system.faults.cache_faults import CACHE_FAULTS
from tests.system.faults.store_faults import STORE_FAULTS

Fault = Callable[[], AbstractContextManager[object]]

MOVED_SLOTS: Final = 5
"""How many slots one fault moves to another node."""


@dataclass(frozen=True, slots=True)
class SoakRedis:
    """A store and a cache under faults."""

    site: Site
    """With a client of the store, whatever it consists of."""

    faults: Mapping[str, Fault]
    nodes: Callable[[], list[Any]]
    """A client of each server of the store that runs."""

    urls: Mapping[str, str] = field(default_factory=dict)
    """Settings of programs, in place of the site's."""

    def used_bytes(self) -> int:
        """Return the memory that the primaries of the store use."""
        found = [node.info() for node in self.nodes()]
        return sum(int(info["used_memory"]) for info in found if info["role"] == "master")

    def limit(self, total_bytes: int) -> None:
        """Limit the memory of the store; each of several primaries may have an equal part."""
        nodes = self.nodes()
        primaries = sum(node.info("replication")["role"] == "master" for node in nodes)
        for node in nodes:
            node.config_set("maxmemory", total_bytes // primaries)


def single_servers(site: Site, random: Random, stack: ExitStack) -> SoakRedis:
    """Return one server for each, the store behind a proxy."""
    del random, stack
    proxy = site.pair.put_proxy_before("store")
    store = {f"store {fault.name}": partial(fault.inflict, site, proxy) for fault in STORE_FAULTS}
    return SoakRedis(site, {**store, **_cache_faults(site)}, lambda: [site.store])


def store_cluster(site: Site, random: Random, stack: ExitStack) -> SoakRedis:
    """Return a cluster with replicas as the store, and one server as the cache."""
    cluster = stack.enter_context(running_cluster(has_replicas=True))
    port = cluster.own_ports[0]
    client: Any = redis.RedisCluster("127.0.0.1", port, protocol=2)  # used like a `Redis`
    stack.callback(client.close)
    faults: dict[str, Fault] = {
        "cluster: primary killed": partial(_lost_primary, cluster, RunningCluster.kill, random),
        "cluster: primary hangs": partial(_lost_primary, cluster, RunningCluster.freeze, random),
        "cluster: replica killed": partial(_lost_replica, cluster, random),
        "cluster: slots moved": partial(_moved_slots, cluster, random),
    }
    # This client would learn of a new primary only by errors.
    refreshed = {
        name: partial(_and_then, fault, client.nodes_manager.initialize)
        for name, fault in faults.items()
    }
    site = replace(site, store=client)
    urls = {"store_url": cluster.url()}
    return SoakRedis(site, {**refreshed, **_cache_faults(site)}, lambda: cluster.clients, urls)


def sentinels(site: Site, random: Random, stack: ExitStack) -> SoakRedis:
    """Return a store and a cache with a replica each, which Sentinels fail over."""
    del random
    both = {role: stack.enter_context(watched(role)) for role in ("store", "cache")}
    urls = {f"{role}_url": servers.url() for role, servers in both.items()}
    store, cache = (stack.enter_context(connect(url, PATIENT)) for url in urls.values())
    faults: dict[str, Fault] = {}
    for role, servers in both.items():
        for name, fail in (
            ("primary killed", Watched.kill),
            ("primary hangs", Watched.freeze),
            ("failover by hand", Watched.hand_over),
        ):
            faults[f"sentinel {role}: {name}"] = partial(_failed_over, servers, fail)
        faults[f"sentinel {role}: one hangs"] = servers.sentinels[0].frozen

    def nodes() -> list[Any]:
        return [
            stack.enter_context(connect(server.url, PATIENT))
            for server in both["store"].servers.values()
        ]

    return SoakRedis(replace(site, store=store, cache=cache), faults, nodes, urls)


KINDS: Final = {"single": single_servers, "cluster": store_cluster, "sentinel": sentinels}


def _cache_faults(site: Site) -> dict[str, Fault]:
    return {f"cache {fault.__name__}": partial(fault, site) for fault in CACHE_FAULTS}


@contextmanager
def _and_then(fault: Fault, act: Callable[[], object]) -> Iterator[None]:
    with fault():
        yield
    act()


@contextmanager
def _lost_primary(
    cluster: RunningCluster, lose: Callable[[RunningCluster, int], None], random: Random
) -> Iterator[None]:
    """Lose a primary until its replica has taken its place, and some more."""
    primaries = cluster.primaries()
    number = random.choice(primaries)
    replicas = [node for node in range(len(cluster.nodes)) if node not in primaries]
    lose(cluster, number)
    wait_until(lambda: any(map(cluster.is_primary, replicas)))
    yield
    _restore(cluster)


@contextmanager
def _lost_replica(cluster: RunningCluster, random: Random) -> Iterator[None]:
    replicas = set(range(len(cluster.nodes))) - set(cluster.primaries())
    cluster.kill(random.choice(sorted(replicas)))
    yield
    _restore(cluster)


@contextmanager
def _moved_slots(cluster: RunningCluster, random: Random) -> Iterator[None]:
    """Move slots with keys from one primary to another."""
    origin, target = random.sample(cluster.primaries(), 2)
    slots = cluster.used_slots(origin)
    for slot in random.sample(slots, min(MOVED_SLOTS, len(slots))):
        for _ in cluster.migrate(slot, origin, target):
            pass
    yield


def _restore(cluster: RunningCluster) -> None:
    """Resume and start what is lost, and wait until each primary has a replica again."""
    cluster.thaw()
    for number, node in enumerate(cluster.nodes):
        if not node.is_running():
            cluster.restart(number)
    wait_until(cluster.is_whole)


@contextmanager
def _failed_over(servers: Watched, fail: Callable[[Watched], None]) -> Iterator[None]:
    """Have the Sentinels promote the replica, and bring the old primary back as one."""
    old = servers.primary_port()
    fail(servers)
    wait_until(lambda: servers.names_only_others_than(old))
    yield
    servers.thaw()
    servers.restart()
    wait_until(servers.are_ready)
