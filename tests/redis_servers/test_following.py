"""Connections whose server becomes a replica, stops, or is replaced."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Thread

import pytest
import redis

from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.following import refuse_replica, renewals_of
from symbolon_server.redis_servers.servers import connect
from tests.fixtures.redis_fixtures import StartRedis

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


def test_a_replica_is_refused_until_the_name_resolves_to_a_primary(named: Named) -> None:
    refuse_replica(named.client)
    with connect(named.old.url) as old:
        old.replicaof("127.0.0.1", "1")
    with pytest.raises(redis.exceptions.ReadOnlyError):
        refuse_replica(named.client)
    named.lead_to(named.new)
    refuse_replica(named.client)
