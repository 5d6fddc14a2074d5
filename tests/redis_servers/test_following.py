"""Connections whose server becomes a replica, stops, or is replaced."""

import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Thread
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis import utils

from symbolon_server.redis_servers import following
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.following import look_again, refuse_replica, renewals_of
from symbolon_server.redis_servers.servers import connect
from tests.fixtures.redis_fixtures import FakeClock, StartRedis

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Named:
    """A name that resolves to one of two servers, and a client that has connected to it."""

    name: Path
    old: EmbeddedRedis
    new: EmbeddedRedis
    client: redis.Redis

    def fail_over(self) -> None:
        """Point the name to the new server, and make the old one a replica."""
        with connect(self.old.url) as old:
            old.replicaof("127.0.0.1", "1")
        self.lead_to(self.new)

    def lead_to(self, server: EmbeddedRedis) -> None:
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(server.url.removeprefix("unix://"))

    def seen(self) -> set[bytes | None]:
        """Return what all idle connections read, each used once concurrently."""
        found: list[bytes | None] = []
        barrier = Barrier(CONNECTIONS)

        def read() -> None:
            with self.client.pipeline(transaction=False) as pipeline:
                connection = self.client.connection_pool.get_connection()
                barrier.wait()
                self.client.connection_pool.release(connection)
                barrier.wait()
                pipeline.get("name")
                found.extend(pipeline.execute())

        threads = [Thread(target=read) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return set(found)


@pytest.fixture
def named(start_redis: StartRedis, tmp_path: Path) -> Iterator[Named]:
    old, new = start_redis("cache.conf"), start_redis("cache.conf")
    with ExitStack() as clients:
        for server, name in ((old, "old"), (new, "new")):
            clients.enter_context(connect(server.url)).set("name", name)
        path = tmp_path / "socket"
        path.symlink_to(old.url.removeprefix("unix://"))
        client = clients.enter_context(connect(f"unix://{path}"))
        named = Named(path, old, new, client)
        assert named.seen() == {b"old"}
        yield named


def test_a_write_rejected_by_a_replica_moves_all_connections_to_the_new_primary(
    named: Named,
) -> None:
    named.fail_over()
    named.client.set("other", "value")
    assert named.seen() == {b"new"}


def test_a_transaction_rejected_by_a_replica_is_retried_on_the_new_primary(named: Named) -> None:
    named.fail_over()
    with named.client.pipeline() as pipeline:
        pipeline.get("name")
        pipeline.set("other", "value")
        assert pipeline.execute() == [b"new", True]
    assert renewals_of(named.client) == 1


def test_all_connections_leave_a_hanging_server_after_one_timeout(named: Named) -> None:
    with connect(named.old.url) as old:
        old.client_pause(60_000)
        named.lead_to(named.new)
        with pytest.raises(redis.TimeoutError):
            named.client.get("name")
        assert named.seen() == {b"new"}


def test_a_connection_in_use_during_a_renewal_is_not_reused(named: Named) -> None:
    pool = named.client.connection_pool
    connection = pool.get_connection()
    named.fail_over()
    named.client.set("other", "value")
    pool.release(connection)
    assert not connection.is_connected
    assert pool.get_connection() is not connection


@dataclass
class Hosts:
    """A name that a resolver knows, which leads where a test says."""

    name = "redis.symbolon.test"
    addresses: list[str] | None
    """None: it cannot be looked up."""

    lookups: int = 0

    def getaddrinfo(self, host: object, *rest: Any, **others: Any) -> list[Any]:
        if host != self.name:
            return list(RESOLVE(host, *rest, **others))
        self.lookups += 1
        if self.addresses is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [found for one in self.addresses for found in RESOLVE(one, *rest, **others)]


RESOLVE: Any = socket.getaddrinfo
OLD, NEW = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    hosts = Hosts([OLD])
    monkeypatch.setattr(socket, "getaddrinfo", hosts.getaddrinfo)
    monkeypatch.setattr(following, "RESOLVE_SECONDS", 0.0)
    monkeypatch.setattr(following, "_RESOLVING_SHARE", math.inf)
    return hosts


@pytest.fixture
def by_name(hosts: Hosts, start_redis: StartRedis, unused_port: int) -> Iterator[redis.Redis]:
    """A client of two primaries at one port, by a name that leads to the first."""
    try:
        socket.create_server((NEW, unused_port)).close()
    except OSError:
        pytest.skip(f"no address {NEW} on this machine")
    with ExitStack() as clients:
        for address in (NEW, OLD):  # the port is looked for at OLD
            server = start_redis("cache.conf", port=unused_port, bind=address)
            clients.enter_context(connect(server.url)).set("address", address)
        yield clients.enter_context(connect(f"redis://{hosts.name}:{unused_port}"))


def test_a_name_that_leads_to_another_host_is_followed_though_the_old_server_answers(
    hosts: Hosts, by_name: redis.Redis
) -> None:
    assert by_name.get("address") == OLD.encode()
    hosts.addresses = [NEW]
    assert by_name.get("address") == OLD.encode()
    look_again(by_name)
    assert by_name.get("address") == NEW.encode()
    look_again(by_name)
    assert renewals_of(by_name) == 1


@pytest.mark.parametrize("addresses", [None, [], [OLD], [NEW, OLD]])
def test_a_name_that_leads_nowhere_else_or_nowhere_changes_nothing(
    hosts: Hosts, by_name: redis.Redis, addresses: list[str] | None
) -> None:
    by_name.ping()
    hosts.addresses = addresses
    look_again(by_name)
    assert by_name.get("address") == OLD.encode()
    assert renewals_of(by_name) == 0


def test_a_connection_that_is_in_use_is_followed_too(hosts: Hosts, by_name: redis.Redis) -> None:
    with by_name.pubsub() as pubsub:  # type: ignore[no-untyped-call] # as redis says it
        pubsub.subscribe("channel")
        hosts.addresses = [NEW]
        look_again(by_name)
    assert renewals_of(by_name) == 1


def test_a_name_is_looked_up_now_and_then_and_seldom_where_that_takes_long(
    hosts: Hosts, by_name: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(following, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(following, "RESOLVE_SECONDS", 3.0)
    monkeypatch.setattr(following, "_RESOLVING_SHARE", 0.1)
    by_name.ping()
    hosts.lookups, taken = 0, 20.0
    resolve = hosts.getaddrinfo

    def hang(*arguments: Any, **named: Any) -> list[Any]:
        clock.now += taken
        return resolve(*arguments, **named)

    def looked_up_after(seconds: float) -> int:
        clock.now += seconds
        look_again(by_name)
        return hosts.lookups

    assert [looked_up_after(seconds) for seconds in (0, 2.9, 0.1)] == [1, 1, 2]
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert [looked_up_after(seconds) for seconds in (3, 199, 1)] == [3, 3, 4]


def test_a_socket_is_not_looked_up(hosts: Hosts, named: Named) -> None:
    look_again(named.client)
    assert (hosts.lookups, renewals_of(named.client)) == (0, 0)


def test_a_replica_is_refused_until_the_name_resolves_to_a_primary(named: Named) -> None:
    refuse_replica(named.client)
    with connect(named.old.url) as old:
        old.replicaof("127.0.0.1", "1")
    with pytest.raises(redis.exceptions.ReadOnlyError):
        refuse_replica(named.client)
    named.lead_to(named.new)
    refuse_replica(named.client)


def test_a_connection_sets_its_name_without_reading_package_metadata(
    redis_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> str:
        raise AssertionError("the metadata of redis-py was read")

    monkeypatch.setattr(utils, "get_lib_version", read)
    with connect(redis_store_url) as client:
        assert "symbolon" in [entry["name"] for entry in client.client_list()]
