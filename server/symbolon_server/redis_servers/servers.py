"""Connects to the Redis servers, and reads facts about them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import signature
from typing import Final, NamedTuple, Self, cast
from urllib.parse import parse_qs, urlsplit

import redis
from redis._parsers import _RESP2Parser
from redis.connection import AbstractConnection
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError

from symbolon_server.redis_servers.following import FollowingPool
from symbolon_server.redis_servers.read_values import UNREADABLE, as_count
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.redis_servers.sentinels import SentinelPool, SentinelUrl, sentinels_of, show

_REFUSALS = (AuthenticationError, AuthorizationError, NoPermissionError)

_MOST_CONNECTIONS = 2**31
_OPTIONS: Final = frozenset(
    {"db", "username", "password", "protocol", "socket_keepalive", "health_check_interval"}
)
_TLS_OPTION: Final = "ssl_"
"""The options allowed in the query of a URL. Others would break us, such as decoded replies,
timeouts that end blocking reads, or pools that are too small."""

_CLUSTER: Final = re.compile(r"rediss?\+cluster:", re.IGNORECASE)

_LONGEST_SECONDS = 2**31
"""Longer than any server runs, and within the range of the API."""


class InvalidRedisUrlError(ValueError):
    """An invalid URL; the text quotes nothing of it."""


class ServerUnreachableError(Exception):
    """A Redis server does not answer, or denies access; the text contains no credentials."""

    def __init__(self, text: str, *, refuses_us: bool = False) -> None:
        super().__init__(text)
        self.refuses_us = refuses_us
        """Whether it answers, but denies access to this user."""


class Timeouts(NamedTuple):
    """Timeouts of one connection and one reply.

    The defaults of redis-py (5 s, ten retries with pauses) would block a call for a minute.
    """

    connect_seconds: float = 0.4
    answer_seconds: float = 0.4


def connect(url: str, timeouts: Timeouts | None = None) -> redis.Redis:
    """Return a client with a pool of connections, created as needed.

    Raises `InvalidRedisUrlError`. The query of the URL may contain some options of redis-py, such
    as `ssl_ca_certs` with rediss://. A URL of Sentinels connects to the primary of the name in it,
    also after a failover.
    """
    if _CLUSTER.match(url):
        raise InvalidRedisUrlError("a cluster can only be the store: use one server, or Sentinels")
    try:
        _refuse_options(url)
        client = _make_client(url, timeouts or Timeouts())
        pool = client.connection_pool
        # Validates its options, without connecting.
        pool.connection_class(**pool.connection_kwargs)
    except InvalidRedisUrlError:
        raise
    except (ValueError, TypeError, redis.RedisError):
        raise InvalidRedisUrlError(
            "not a redis://, rediss://, unix:// or redis+sentinel:// URL, or it has an invalid "
            "option in its query"
        ) from None
    return client


def _refuse_options(url: str) -> None:
    """Raise `InvalidRedisUrlError` for options that would change replies or timeouts.

    The text quotes only names that redis-py knows: others may be part of a password.
    """
    sentinels = SentinelUrl.parse(url)
    plain = url if sentinels is None else sentinels.url_of(sentinels.sentinels[0])
    for name in parse_qs(urlsplit(plain).query, keep_blank_values=True):
        if name not in _OPTIONS and not name.startswith(_TLS_OPTION):
            known = name if name in signature(redis.Redis).parameters else "in its query"
            options = ", ".join(sorted(_OPTIONS))
            raise InvalidRedisUrlError(
                f"the option {known} is not supported; {options} and {_TLS_OPTION}* are"
            ) from None


def _make_client(url: str, timeouts: Timeouts) -> redis.Redis:
    options = {
        "socket_connect_timeout": timeouts.connect_seconds,
        "socket_timeout": timeouts.answer_seconds,
        # By default redis-py sends its version, which costs each connection more round trips, 2 to
        # 3 ms to read the metadata of its package, and a permission that old servers do not know.
        "protocol": 2,
        "client_name": "symbolon",
        "driver_info": None,
        "redis_connect_func": _introduce,
        # One per thread. At its default limit of 100, redis-py raises a connection error, as if the
        # server were down.
        "max_connections": _MOST_CONNECTIONS,
    }
    sentinels = SentinelUrl.parse(url)
    if sentinels is not None:
        return redis.Redis.from_pool(SentinelPool.of(sentinels, options))
    return redis.Redis.from_pool(FollowingPool.from_url(url, **options))


def _introduce(connection: AbstractConnection) -> None:
    """Log in, without raising an error that quotes the credentials.

    With hiredis, redis-py takes the session tickets of TLS 1.3 for replies that were left unread,
    and gives the connection up; its own parser reads on.
    """
    if isinstance(connection, redis.SSLConnection):
        connection.set_parser(_RESP2Parser)  # type: ignore[no-untyped-call] # redis-py
    try:
        connection.on_connect()  # type: ignore[no-untyped-call] # redis-py
    except redis.ResponseError as error:
        raise AuthorizationError(describe_trouble(error)) from None


def is_encrypted(client: redis.Redis) -> bool:
    """Return whether a client uses TLS."""
    return issubclass(client.connection_pool.connection_class, redis.SSLConnection)


def server_name(client: redis.Redis) -> str:
    """Return the address that a client connects to, without credentials.

    It is a socket, `host:port`, or the name that Sentinels monitor.
    """
    if (sentinels := sentinels_of(client)) is not None:
        return f"{sentinels.name} of Sentinels {', '.join(map(show, sentinels.addresses))}"
    arguments = client.connection_pool.connection_kwargs
    if path := arguments.get("path"):
        return str(path)
    return f"{arguments.get('host', 'localhost')}:{arguments.get('port', 6379)}"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The facts in `INFO`, which managed servers allow, unlike `CONFIG`."""

    software: str
    """`redis` or `valkey`."""

    version: str
    run_id: str
    """Changes with each start; the same by whatever address the server is reached."""

    mode: str
    """`standalone`, `sentinel` or `cluster`."""

    used_memory: int
    maxmemory: int
    """Bytes; 0 means no limit."""

    maxmemory_policy: str
    keys: int
    evicted_keys: int
    hits: int
    misses: int
    connected_clients: int
    uptime_seconds: int
    is_replica: bool
    """Whether it replicates another server, and is read-only."""

    @classmethod
    def from_info(cls, info: Mapping[str, object]) -> Self:
        """Return the facts in the reply to `INFO`."""
        return cls(
            software=str(info.get("server_name", "redis")),
            version=str(info.get("valkey_version") or info.get("redis_version", "unknown")),
            run_id=str(info.get("run_id", "")),
            mode=str(info.get("redis_mode") or info.get("server_mode", "standalone")),
            used_memory=_number(info, "used_memory"),
            maxmemory=_number(info, "maxmemory"),
            maxmemory_policy=str(info.get("maxmemory_policy", "unknown")),
            keys=_count_keys(info),
            evicted_keys=_number(info, "evicted_keys"),
            hits=_number(info, "keyspace_hits"),
            misses=_number(info, "keyspace_misses"),
            connected_clients=_number(info, "connected_clients"),
            uptime_seconds=min(_number(info, "uptime_in_seconds"), _LONGEST_SECONDS),
            is_replica=info.get("role") == "slave",
        )

    @classmethod
    def of_cluster(cls, nodes: Sequence[Self]) -> Self:
        """Return the facts of nodes, at least one, as those of one server."""
        has_limit = all(node.maxmemory for node in nodes)
        return replace(
            nodes[0],
            run_id="",
            mode="cluster",
            used_memory=sum(node.used_memory for node in nodes),
            maxmemory=sum(node.maxmemory for node in nodes) if has_limit else 0,
            maxmemory_policy=", ".join(dict.fromkeys(node.maxmemory_policy for node in nodes)),
            keys=sum(node.keys for node in nodes),
            evicted_keys=sum(node.evicted_keys for node in nodes),
            hits=sum(node.hits for node in nodes),
            misses=sum(node.misses for node in nodes),
            connected_clients=sum(node.connected_clients for node in nodes),
            uptime_seconds=min(node.uptime_seconds for node in nodes),
        )


def read_facts(client: redis.Redis) -> ServerFacts:
    """Read the facts of a server; raise `ServerUnreachableError` if it does not answer."""
    with reaching(client):
        return ServerFacts.from_info(client.info())


@contextmanager
def reaching(client: redis.Redis) -> Iterator[None]:
    """Raise `ServerUnreachableError` if the server fails or refuses the commands in the block."""
    try:
        yield
    except redis.RedisError as error:
        text = f"{server_name(client)}: {describe_trouble(error)}"
        raise ServerUnreachableError(text, refuses_us=isinstance(error, _REFUSALS)) from None
    except UNREADABLE:
        text = f"{server_name(client)}: its reply has an unexpected type"
        raise ServerUnreachableError(text) from None


def _number(info: Mapping[str, object], name: str) -> int:
    try:
        return as_count(info.get(name, 0))
    except UNREADABLE:
        return 0


def _count_keys(info: Mapping[str, object]) -> int:
    """Return the keys of all databases: redis-py returns `db0` as `{"keys": 3, …}`."""
    databases = (
        cast("Mapping[str, int]", value)
        for name, value in info.items()
        if name.startswith("db") and name[2:].isdigit() and isinstance(value, dict)
    )
    return sum(as_count(database.get("keys", 0)) for database in databases)
