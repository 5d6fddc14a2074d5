"""Connections that are made anew when one of them shows that the server is gone, or is another one.

A name leads elsewhere after a failover, and the open connections stay where they were: to a server
that is dead, or is a replica by now, from which everything can be read and nothing is news.
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
    """Tries once more at once, and has the pool renewed by each try that shows a loss.

    A pooled connection may be one that a restart has cut, or lead to what is a replica by now. Not
    after a timeout: the second wait would be as long as the first.
    """

    def __init__(self, pool: "FollowingPool") -> None:
        supported = (exceptions.ConnectionError, exceptions.ReadOnlyError)
        super().__init__(NoBackoff(), 1, supported)
        self._pool = ref(pool)

    def call_with_retry(self, do: Callable[[], Any], *rest: Any, **options: Any) -> Any:
        """Call `do`, again where it is worth a try."""
        return super().call_with_retry(lambda: self._watch(do), *rest, **options)

    def _watch(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except _SHOWS_LOSS:
            if (pool := self._pool()) is not None:
                pool.renew()
            raise


class FollowingPool(ConnectionPool):
    """A pool all of whose connections are left at once when one shows that the server is lost."""

    def reset(self) -> None:
        """Forget all connections; they belong to the process that this one was forked from."""
        self.renewals = 0
        self._next_lookup = 0.0
        self._current: WeakSet[ConnectionInterface] = WeakSet()
        super().reset()

    renewals: int
    """How often all connections were left; those who keep one for long look at this."""

    def make_connection(self) -> ConnectionInterface:
        """Return a connection, not connected yet, that is kept until the next renewal."""
        connection: Any = super().make_connection()
        connection.retry = _Retry(self)
        self._current.add(connection)
        return cast("ConnectionInterface", connection)

    def owns_connection(self, connection: Any) -> bool:
        """Return whether to keep a connection that comes back."""
        return connection in self._current and bool(super().owns_connection(connection))

    def renew(self) -> None:
        """Close what is idle now, and the others when they come back."""
        with self._lock:
            self.renewals += 1
            self._current = WeakSet()
            self.disconnect(inuse_connections=False)

    def look_again(self) -> None:
        """Leave all connections where the name leads to another server, if that can be told.

        Looks the name up every `RESOLVE_SECONDS`. A server of which the name leads away may go on
        as a primary; a name that cannot be looked up leads nowhere else.
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
    """Return how often all connections of a client were left."""
    pool = client.connection_pool
    return pool.renewals if isinstance(pool, FollowingPool) else 0


def follow(client: redis.Redis, error: exceptions.RedisError) -> None:
    """Leave all connections of a client where one of many answers shows that the server is lost."""
    pool = client.connection_pool
    if isinstance(error, _SHOWS_LOSS) and isinstance(pool, FollowingPool):
        pool.renew()


def look_again(client: redis.Redis) -> None:
    """Leave all connections of a client for another server, where the name leads to one.

    Takes a question to Sentinels where there are some, else now and then one to the resolver,
    which may take long.
    """
    pool = client.connection_pool
    if isinstance(pool, FollowingPool):
        pool.look_again()


def refuse_replica(client: redis.Redis) -> None:
    """Raise `ReadOnlyError`, and lead elsewhere next time, where the server is a replica."""
    if client.info("replication").get("role") == "slave":
        error = exceptions.ReadOnlyError()
        follow(client, error)
        raise error
