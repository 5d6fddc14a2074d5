"""Connects to the Redis servers, and tells what they are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Final, Self, cast
from urllib.parse import parse_qs, urlsplit

import redis
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
"""What may stand in the query of a URL. Others break us: answers that are decoded, timeouts that
end the waiting for work, pools that are too small."""

_LONGEST_SECONDS = 2**31
"""Longer than any server runs, and short enough for the API."""


class InvalidRedisUrlError(ValueError):
    """A URL with which no connection can be made; the text holds nothing of it."""


class ServerUnreachableError(Exception):
    """A Redis server does not answer, or refuses us; its text holds no credentials."""

    def __init__(self, text: str, *, refuses_us: bool = False) -> None:
        super().__init__(text)
        self.refuses_us = refuses_us
        """It answers, but not to this user with this password."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one step of one command may take before it counts as failed.

    redis-py's own defaults (5 s a step, ten retries with pauses) hold a call for a minute.
    """

    connect_seconds: float = 0.4
    answer_seconds: float = 0.4


def connect(url: str, timeouts: Timeouts | None = None) -> redis.Redis:
    """Return a client with a pool of connections, made as they are needed.

    Raises `InvalidRedisUrlError`. Some of what redis-py takes beside user, password, host, port
    and database may stand in the query, such as `ssl_ca_certs` of a rediss:// URL. A URL of
    Sentinels leads to the primary of the name in it, also after a failover.
    """
    try:
        _refuse_options(url)
        client = _make_client(url, timeouts or Timeouts())
        pool = client.connection_pool
        # Not connected, but its options are looked at.
        pool.connection_class(**pool.connection_kwargs)
    except InvalidRedisUrlError:
        raise
    except (ValueError, TypeError, redis.RedisError):
        raise InvalidRedisUrlError(
            "the URL is no redis://, rediss://, unix:// or redis+sentinel:// URL, or has an option "
            "in its query that is none"
        ) from None
    return client


def _refuse_options(url: str) -> None:
    """Raise `InvalidRedisUrlError` for options that would change what we read, or when we give up.

    Only names that redis-py knows are told: others may be part of a password.
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
        # What redis-py says of itself costs more round trips for each new connection, 2 to 3 ms
        # for reading the metadata of its package, and a permission that not every version knows.
        "protocol": 2,
        "client_name": "symbolon",
        "driver_info": None,
        "redis_connect_func": _introduce,
        # As many as there are threads. redis-py's own limit of 100 is an error of the connection
        # for whoever comes next, as if the server were not there.
        "max_connections": _MOST_CONNECTIONS,
    }
    sentinels = SentinelUrl.parse(url)
    if sentinels is not None:
        return redis.Redis.from_pool(SentinelPool.of(sentinels, options))
    return redis.Redis.from_pool(FollowingPool.from_url(url, **options))


def _introduce(connection: AbstractConnection) -> None:
    """Log in, and let no error out that repeats what was said for that."""
    try:
        connection.on_connect()  # type: ignore[no-untyped-call] # redis-py
    except redis.ResponseError as error:
        raise AuthorizationError(describe_trouble(error)) from None


def is_encrypted(client: redis.Redis) -> bool:
    """Return whether a client speaks TLS."""
    return issubclass(client.connection_pool.connection_class, redis.SSLConnection)


def server_name(client: redis.Redis) -> str:
    """Return where a client connects to, without credentials.

    A socket, `host:port`, or the name that Sentinels watch.
    """
    if (sentinels := sentinels_of(client)) is not None:
        return f"{sentinels.name} of Sentinels {', '.join(map(show, sentinels.addresses))}"
    arguments = client.connection_pool.connection_kwargs
    if path := arguments.get("path"):
        return str(path)
    return f"{arguments.get('host', 'localhost')}:{arguments.get('port', 6379)}"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What `INFO` tells of one server; unlike `CONFIG`, managed servers allow it."""

    software: str
    """`redis` or `valkey`."""

    version: str
    run_id: str
    """Another one each time the server starts; the same by whatever address it is reached."""

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
    """Whether it follows another server and cannot be written to."""

    @classmethod
    def from_info(cls, info: Mapping[str, object]) -> Self:
        """Pick the facts out of the answer to `INFO`."""
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
    """Return the keys of all databases: `db0` is `{"keys": 3, …}` in redis-py's answer."""
    databases = (
        cast("Mapping[str, int]", value)
        for name, value in info.items()
        if name.startswith("db") and name[2:].isdigit() and isinstance(value, dict)
    )
    return sum(as_count(database.get("keys", 0)) for database in databases)
