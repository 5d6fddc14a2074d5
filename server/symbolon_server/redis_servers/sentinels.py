"""Finds the primary of a replicated Redis by asking its Sentinels, for each new connection."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self
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
"""What the options begin with that are for the Sentinels instead of the server."""

_CREDENTIALS: Final = frozenset({"username", "password"})


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """A URL that gives Sentinels, and the name under which they watch a server."""

    sentinels: tuple[Address, ...]
    name: str
    credentials: Mapping[str, str] = field(repr=False)
    """`username` and `password` for the Sentinels, where they want some."""

    _before: str = field(repr=False)
    _after: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """Return what a URL says, None for one of another kind; raise `ValueError`."""
        found = _URL.fullmatch(url)
        if found is None:
            return None
        options = [option for option in (found["query"] or "").split("&") if option]
        return cls(
            tuple(map(_parse_address, found["sentinels"].split(","))),
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


def _parse_address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator or port.endswith("]"):
        host, port = text, str(SENTINEL_PORT)
    if not host.strip("[]"):
        raise ValueError("no host")
    return host.strip("[]"), int(port)


def show(address: Address) -> str:
    """Return `host:port`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class SentinelAnswer:
    """What one Sentinel said of a name."""

    sentinel: Address
    primary: Address | None = None
    """None: it names none that is up."""

    trouble: str = ""
    """Why there is none, in words for a person."""

    can_fail_over: bool = False
    """Whether it reaches enough other Sentinels to choose another primary with them."""


class Sentinels:
    """The Sentinels of one URL, the one that answered last in front.

    Each question has a connection of its own: they are few, and none that is kept can be stale.
    redis-py's `Sentinel` would lose a Sentinel where two threads reorder its list at once.
    """

    def __init__(self, url: SentinelUrl, options: Mapping[str, Any]) -> None:
        """Ask with these options of connections, credentials left out."""
        self.name = url.name
        self._addresses = url.sentinels
        self._options = dict(options) | {"retry": Retry(NoBackoff(), 0)} | dict(url.credentials)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where they are."""
        return self._addresses

    def discover_master(self, service_name: str) -> Address:
        """Return the primary; raise `NoPrimaryError`. The name is that of redis-py."""
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
        """Return what each says, those after the first in their order in the URL."""
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
            return SentinelAnswer(address, trouble="its answer is not that of a Sentinel")

    def _connect(self, address: Address) -> redis.Redis:
        host, port = address
        return redis.Redis.from_pool(ConnectionPool(host=host, port=port, **self._options))


def _can_fail_over(client: redis.Redis, name: str) -> bool:
    """Return what a Sentinel says; redis-py takes its `OK 3 usable Sentinels …` for a no."""
    try:
        client.sentinel_ckquorum(name)
    except redis.ResponseError:
        return False
    return True


def _read_state(
    sentinel: Address, primary: Any, state: Any, *, can_fail_over: bool
) -> SentinelAnswer:
    """Take the address of the primary, unless it is that of one that is down.

    While the other replicas are told of a new primary, which takes as long as the slowest of
    them, it has the address already, and the state is still the old one's.
    """
    host, port = primary
    address = str(host, "ascii"), int(port)
    if address == (state["ip"], state["port"]) and (state["is_sdown"] or state["is_odown"]):
        return SentinelAnswer(sentinel, None, "the primary it knows is down", can_fail_over)
    return SentinelAnswer(sentinel, address, "", can_fail_over)


def _describe(error: redis.RedisError) -> str:
    if isinstance(error, redis.ResponseError) and "no such master" in str(error).lower():
        return "it watches no server of that name"
    return describe_trouble(error)


class SentinelPool(FollowingPool, SentinelConnectionPool):
    """A pool of connections to the primary, which is asked for when one is made."""

    sentinel_manager: Sentinels

    @classmethod
    def of(cls, url: SentinelUrl, options: Mapping[str, Any]) -> Self:
        """Return a pool for the server that a URL names."""
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
        """Leave all connections where the Sentinels name another primary by now.

        One that they replace while it runs goes on as a primary for some ten seconds, and what is
        written to it is lost. No Sentinel that answers is no reason to leave anything.
        """
        with suppress(NoPrimaryError):
            known = self.master_address
            if known and known != self.sentinel_manager.discover_master(self.service_name):
                self.renew()


_SHARED: Final = frozenset({"protocol", "driver_info", "redis_connect_func"})
"""What connections to Sentinels have in common with those to the server."""


def sentinels_of(client: redis.Redis) -> Sentinels | None:
    """Return the Sentinels by which a client finds its server, if it does."""
    pool = client.connection_pool
    return pool.sentinel_manager if isinstance(pool, SentinelPool) else None
