"""Finds the primary of a replicated Redis through its Sentinels, for each new connection."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from symbolon_server.redis_servers.following import FollowingPool
from symbolon_server.redis_servers.read_values import UNREADABLE
from symbolon_server.redis_servers.redis_trouble import NoPrimaryError, describe_trouble

Address = tuple[str, int]
"""A host, without brackets, and a port."""

SENTINEL_PORT: Final = 26379

_URL: Final = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?P<user>[^/?#@]*@)?(?P<sentinels>[^/?#@]+)"
    r"/(?P<name>[^/?#@]+)(?:\?(?P<query>[^#@]*))?",
    re.ASCII | re.IGNORECASE,
)
_OF_SENTINELS: Final = "sentinel_"
"""Prefix of options for the Sentinels rather than the server."""

_CREDENTIALS: Final = frozenset({"username", "password"})


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """A URL with Sentinels, and the name under which they monitor a server."""

    sentinels: tuple[Address, ...]
    name: str
    credentials: Mapping[str, str] = field(repr=False)
    """`username` and `password` for the Sentinels, if any."""

    _before: str = field(repr=False)
    _after: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """Return the parsed URL, or None if it is of another kind; raise `ValueError`."""
        found = _URL.fullmatch(url)
        if found is None:
            return None
        options = [option for option in (found["query"] or "").split("&") if option]
        return cls(
            tuple(parse_address(text, SENTINEL_PORT) for text in found["sentinels"].split(",")),
            found["name"],
            dict(_credentials_in(options)),
            f"{found['scheme'].lower()}://{found['user'] or ''}",
            "?" + "&".join(option for option in options if not _is_of_sentinels(option)),
        )

    def url_of(self, address: Address) -> str:
        """Return the URL of one server itself."""
        return f"{self._before}{show(address)}{self._after}"


def _is_of_sentinels(option: str) -> bool:
    name = option.partition("=")[0]
    return name.startswith(_OF_SENTINELS) and name.removeprefix(_OF_SENTINELS) in _CREDENTIALS


def _credentials_in(options: list[str]) -> Iterator[tuple[str, str]]:
    for option in filter(_is_of_sentinels, options):
        name, _, value = option.partition("=")
        yield name.removeprefix(_OF_SENTINELS), unquote(value)


def parse_address(text: str, default_port: int) -> Address:
    """Return the host and port in a URL; raise `ValueError`."""
    host, separator, port = text.rpartition(":")
    if not separator or port.endswith("]"):
        host, port = text, str(default_port)
    if not host.strip("[]"):
        raise ValueError("no host")
    return host.strip("[]"), int(port)


def show(address: Address) -> str:
    """Return `host:port`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SentinelAnswer(NamedTuple):
    """The reply of one Sentinel about a name."""

    sentinel: Address
    primary: Address | None = None
    """None if it names no primary that is up."""

    trouble: str = ""
    """Why it names no primary, for humans."""

    can_fail_over: bool = False
    """Whether it reaches enough other Sentinels for a failover."""


class Sentinels:
    """The Sentinels of one URL, the last one that answered first.

    Each query has its own connection: queries are rare, and a pooled connection could be stale.
    The `Sentinel` of redis-py may lose a Sentinel if two threads reorder its list concurrently.
    """

    def __init__(self, url: SentinelUrl, options: Mapping[str, Any]) -> None:
        """Connect with these options, which contain no credentials."""
        self.name = url.name
        self._addresses = url.sentinels
        self._options = dict(options) | {"retry": Retry(NoBackoff(), 0)} | dict(url.credentials)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Their addresses."""
        return self._addresses

    def discover_master(self, service_name: str) -> Address:
        """Return the primary; raise `NoPrimaryError`. redis-py calls this method."""
        addresses, troubles = self._addresses, []
        for address in addresses:
            answer = self._ask(address, service_name)
            if answer.primary is not None:
                others = [other for other in addresses if other != address]
                self._addresses = (address, *others)
                return answer.primary
            troubles.append(f"{show(address)}: {answer.trouble}")
        raise NoPrimaryError(f"no Sentinel names a primary that is up ({'; '.join(troubles)})")

    def ask_all(self) -> list[SentinelAnswer]:
        """Return the reply of each, after the first one in the order of the URL."""
        return [self._ask(address, self.name, is_thorough=True) for address in self._addresses]

    def _ask(self, address: Address, name: str, *, is_thorough: bool = False) -> SentinelAnswer:
        try:
            with closing(self._connect(address)) as client:
                primary = client.sentinel_get_master_addr_by_name(name)
                state = client.sentinel_master(name)
                can_fail_over = is_thorough and _can_fail_over(client, name)
            return _read_state(address, primary, state, can_fail_over=can_fail_over)
        except redis.RedisError as error:
            return SentinelAnswer(address, trouble=_describe(error))
        except UNREADABLE:
            return SentinelAnswer(address, trouble="its reply is not that of a Sentinel")

    def _connect(self, address: Address) -> redis.Redis:
        host, port = address
        return redis.Redis.from_pool(ConnectionPool(host=host, port=port, **self._options))


def _can_fail_over(client: redis.Redis, name: str) -> bool:
    """Return the Sentinel's answer; redis-py misreads `OK 3 usable Sentinels …` as False."""
    try:
        client.sentinel_ckquorum(name)
    except redis.ResponseError:
        return False
    return True


def _read_state(
    sentinel: Address, primary: Any, state: Any, *, can_fail_over: bool
) -> SentinelAnswer:
    """Return the address of the primary, unless that one is down.

    While the other replicas are reconfigured, which takes as long as the slowest of them, the
    address is that of the new primary already, and the state still that of the old one.
    """
    host, port = primary
    address = str(host, "ascii"), int(port)
    if address == (state["ip"], state["port"]) and (state["is_sdown"] or state["is_odown"]):
        return SentinelAnswer(sentinel, None, "the primary it knows is down", can_fail_over)
    return SentinelAnswer(sentinel, address, "", can_fail_over)


def _describe(error: redis.RedisError) -> str:
    if isinstance(error, redis.ResponseError) and "no such master" in str(error).lower():
        return "it monitors no server of that name"
    return describe_trouble(error)


class SentinelPool(FollowingPool, SentinelConnectionPool):
    """A pool of connections to the primary, which the Sentinels name for each new one."""

    sentinel_manager: Sentinels

    @classmethod
    def of(cls, url: SentinelUrl, options: Mapping[str, Any]) -> Self:
        """Return a pool for the server in a URL."""
        own = parse_url(url.url_of(("localhost", 1)))  # type: ignore[no-untyped-call] # redis-py
        is_tls = own.pop("connection_class", None) is SSLConnection
        del own["host"], own["port"]
        for_sentinels = {
            name: value
            for name, value in (own | dict(options)).items()
            if name.startswith(("ssl_", "socket_")) or name in _SHARED
        }
        for_sentinels["connection_class"] = SSLConnection if is_tls else Connection
        manager = Sentinels(url, for_sentinels)
        return cls(url.name, manager, ssl=is_tls, **(dict(options) | own))

    def look_again(self) -> None:
        """Renew the pool if the Sentinels name another primary.

        A running primary that they replace remains a primary for some ten seconds, and loses all
        writes in that time. If no Sentinel answers, keep the connections.
        """
        with suppress(NoPrimaryError):
            known = self.master_address
            if known and known != self.sentinel_manager.discover_master(self.service_name):
                self.renew()


_SHARED: Final = frozenset({"protocol", "driver_info", "redis_connect_func"})
"""Options that connections to Sentinels share with those to the server."""


def sentinels_of(client: redis.Redis) -> Sentinels | None:
    """Return the Sentinels through which a client finds its server, or None."""
    pool = client.connection_pool
    return pool.sentinel_manager if isinstance(pool, SentinelPool) else None
