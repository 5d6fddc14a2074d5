"""Connection pools that follow a server through failovers.

After a failover a name resolves to another server, but open connections stay with the old one,
which is dead, or is now a replica that serves stale data. So one connection that shows the loss
renews the whole pool.
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from weakref import WeakSet, ref

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface, ConnectionPool
from redis.retry import Retry

RESOLVE_SECONDS = 3.0
"""How often a name is looked up at most, while its server answers."""

_RESOLVING_SHARE = 0.1
"""Of the time, at most: a resolver that hangs holds up whoever looks."""

_SHOWS_LOSS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
)


class _Retry(Retry):
    """Retries once immediately, and renews the pool after each failure that shows a loss.

    A pooled connection may have been closed by a restart, or lead to a replica by now. There is no
    retry after a timeout: the second wait would be as long as the first.
    """

    def __init__(self, pool: "FollowingPool") -> None:
        supported = (exceptions.ConnectionError, exceptions.ReadOnlyError)
        super().__init__(NoBackoff(), 1, supported)
        self._pool = ref(pool)

    def call_with_retry(self, do: Callable[[], Any], *rest: Any, **options: Any) -> Any:
        """Call `do`, and again if a retry may succeed."""
        return super().call_with_retry(lambda: self._watch(do), *rest, **options)

    def _watch(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except _SHOWS_LOSS:
            if (pool := self._pool()) is not None:
                pool.renew()
            raise


class FollowingPool(ConnectionPool):
    """A pool that drops all its connections when one shows that the server is lost."""

    def reset(self) -> None:
        """Drop all connections: they belong to the process that this one was forked from."""
        self.renewals = 0
        self._next_lookup = 0.0
        self._current: WeakSet[ConnectionInterface] = WeakSet()
        super().reset()

    renewals: int
    """How often the pool was renewed; holders of a long-lived connection watch this."""

    def make_connection(self) -> ConnectionInterface:
        """Return a connection, not yet connected, that is valid until the next renewal."""
        connection: Any = super().make_connection()
        connection.retry = _Retry(self)
        self._current.add(connection)
        return cast("ConnectionInterface", connection)

    def owns_connection(self, connection: Any) -> bool:
        """Return whether to keep a released connection."""
        return connection in self._current and bool(super().owns_connection(connection))

    def renew(self) -> None:
        """Close idle connections now, and others when they are released."""
        with self._lock:
            self.renewals += 1
            self._current = WeakSet()
            self.disconnect(inuse_connections=False)

    def look_again(self) -> None:
        """Renew the pool if the name is known to resolve to another server.

        Resolves the name every `RESOLVE_SECONDS`: a server that its name no longer leads to may
        stay a primary. If the lookup fails, nothing changes.
        """
        start = time.monotonic()
        if start < self._next_lookup:
            return
        connected = self._peers()
        found = self._resolve() if connected else connected
        now = time.monotonic()
        self._next_lookup = now + max(RESOLVE_SECONDS, (now - start) / _RESOLVING_SHARE)
        if found and not connected <= found:
            self.renew()

    def _peers(self) -> set[str]:
        """Return the addresses that open connections lead to, none for a unix socket."""
        with self._lock:
            sockets = [getattr(connection, "_sock", None) for connection in self._current]
        found = set[str]()
        for one in filter(None, sockets):
            with suppress(OSError):  # closed meanwhile
                if one.family in {socket.AF_INET, socket.AF_INET6}:
                    found.add(one.getpeername()[0])
        return found

    def _resolve(self) -> set[str]:
        """Return all addresses of the name, none where it cannot be looked up."""
        host, port = (self.connection_kwargs.get(name) for name in ("host", "port"))
        try:
            found = socket.getaddrinfo(host or "localhost", port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return set()
        return {str(address[0]) for *_, address in found}


def renewals_of(client: redis.Redis) -> int:
    """Return how often the pool of a client was renewed."""
    pool = client.connection_pool
    return pool.renewals if isinstance(pool, FollowingPool) else 0


def follow(client: redis.Redis, error: exceptions.RedisError) -> None:
    """Renew the pool of a client if one reply of a pipeline shows that the server is lost."""
    pool = client.connection_pool
    if isinstance(error, _SHOWS_LOSS) and isinstance(pool, FollowingPool):
        pool.renew()


def look_again(client: redis.Redis) -> None:
    """Renew the pool of a client if its name resolves to another server.

    Asks the Sentinels, if there are any; otherwise resolves the name every few seconds, which
    may be slow.
    """
    pool = client.connection_pool
    if isinstance(pool, FollowingPool):
        pool.look_again()


def refuse_replica(client: redis.Redis) -> None:
    """Raise `ReadOnlyError` and renew the pool if the server is a replica."""
    if client.info("replication").get("role") == "slave":
        error = exceptions.ReadOnlyError()
        follow(client, error)
        raise error
