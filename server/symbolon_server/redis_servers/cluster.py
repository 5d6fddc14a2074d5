"""A Redis Cluster: its nodes, which of them has which slots, and commands sent to all at once.

Not by `RedisCluster` of redis-py: it connects when it is made, and sends each command whose node
fails again by itself, three times, so that a node that hangs costs a call minutes (decision 0108).
"""

import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import redis
from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from symbolon_server.redis_servers.circuit import PAUSE_SECONDS
from symbolon_server.redis_servers.cluster_nodes import (
    Command,
    Exchange,
    Node,
    Owners,
    Sending,
    SkippedError,
)
from symbolon_server.redis_servers.following import RESOLVE_SECONDS, follow, look_again
from symbolon_server.redis_servers.read_values import UNREADABLE
from symbolon_server.redis_servers.sentinels import Address, parse_address, show
from symbolon_server.redis_servers.servers import (
    InvalidRedisUrlError,
    Timeouts,
    connect,
)

_URL: Final = re.compile(
    r"(?P<scheme>rediss?)\+cluster://(?P<user>[^/?#@]*@)?(?P<nodes>[^/?#@]+)/?"
    r"(?:\?(?P<query>[^#@]*))?",
    re.ASCII | re.IGNORECASE,
)
_PORT: Final = 6379

_ATTEMPTS: Final = 4
"""Of a command: a key whose slot moves again meanwhile is not there."""

_MOST_HANGING: Final = 2
"""A search for the slots ends at so many nodes that time out, and goes on a second later."""

_LOST: Final = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ClusterDownError)
"""Errors of a node that is down, or whose slots are."""

_ELSEWHERE: Final = (*_LOST, SkippedError)
"""Errors of commands that another node may answer by now."""

_NO_NODE: Final = exceptions.ClusterDownError("no node has the slot")
_NEVER: Final = -math.inf


@dataclass(frozen=True, slots=True)
class ClusterUrl:
    """A URL with some nodes of a cluster; they name the others."""

    nodes: tuple[Address, ...]
    _before: str = field(repr=False)
    _after: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """Return the parsed URL, or None if it is of another kind; raise `ValueError`."""
        found = _URL.fullmatch(url)
        if found is None:
            return None
        nodes = (parse_address(text, _PORT) for text in found["nodes"].split(","))
        query = f"?{found['query']}" if found["query"] else ""
        return cls(tuple(nodes), f"{found['scheme'].lower()}://{found['user'] or ''}", query)

    def url_of(self, address: Address) -> str:
        """Return the URL of one node itself."""
        return f"{self._before}{show(address)}{self._after}"


class Cluster:
    """The nodes of one cluster. Thread-safe.

    Each node has its own connections, timeouts and circuit. Which node has which slots is read from
    any that answers: before the first command, when a node fails or says that a slot moved (once a
    second at most), and every few seconds if `look_again` is called.
    """

    def __init__(
        self,
        url: ClusterUrl,
        make_client: Callable[[Address], redis.Redis],
        answer_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nobody yet."""
        self._seeds = url.nodes
        self._make_client = make_client
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._nodes: dict[Address, Node] = {}
        self._owners: Owners = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._refreshing = threading.Lock()
        self._next_refresh = _NEVER
        self._next_look = _NEVER
        self._is_suspect = True
        """Whether the owners may be others by now, or a node has failed."""

    def __str__(self) -> str:
        """Return the addresses in the URL, without credentials."""
        return f"cluster of {', '.join(map(show, self._seeds))}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for node in list(self._nodes.values()):
            node.client.close()

    def primaries(self) -> list[Node]:
        """Return the nodes that have slots, as far as they are known."""
        if self._is_suspect:
            self._refresh()
        return list(map(self._node, self._known()))

    def seeds(self) -> list[Node]:
        """Return the nodes in the URL."""
        return [self._node(address) for address in self._seeds]

    def lost_slots(self) -> int:
        """Return how many slots no node has, as far as is known."""
        return self._owners.count(None)

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the reply to each command, or its `RedisError`; takes one round trip.

        Commands are sent to all nodes before any reply is read, and again where a slot has moved.
        """
        if self._is_suspect:
            # Only the first ones wait for others: the owners that are known may do.
            self._refresh(is_waited_for=self._next_refresh == _NEVER)
        slots = [key_slot(command[1]) for command in commands]
        replies: list[Any] = [None] * len(commands)
        owners = self._owners
        left = [Sending(number, owners[slot]) for number, slot in enumerate(slots)]
        for _ in range(_ATTEMPTS):
            failed: list[Sending] = []
            for sending, reply in self._exchange(left, commands):
                replies[sending.number] = reply
                if isinstance(reply, exceptions.RedisError):
                    failed.append(sending)
            if not failed:
                break
            left = list(self._redirect(failed, replies, slots))
        return replies

    def look_again(self) -> None:
        """Read the owners again if that is due."""
        now = self._clock()
        if self._is_suspect or now >= self._next_look:
            self._next_look = now + RESOLVE_SECONDS
            self._refresh()

    def _exchange(
        self, sendings: Iterable[Sending], commands: Sequence[Command]
    ) -> Iterator[tuple[Sending, Any]]:
        exchanges: dict[Address, Exchange] = {}
        for sending in sendings:
            if sending.to is None:
                yield sending, _NO_NODE
                continue
            exchange = exchanges.get(sending.to)
            if exchange is None:
                exchange = exchanges[sending.to] = Exchange(self._node(sending.to))
            exchange.sendings.append(sending)
        # A call tries one failed node at most: new connections to several that hang add up.
        in_order = sorted(exchanges.values(), key=lambda exchange: exchange.node.circuit.has_failed)
        may_try = True
        try:
            for exchange in in_order:
                may_try &= not exchange.send(commands, may_try=may_try)
            deadline = time.monotonic() + self._answer_seconds
            for exchange in in_order:
                yield from zip(exchange.sendings, exchange.receive(deadline), strict=True)
        finally:
            for exchange in exchanges.values():
                exchange.close()

    def _redirect(
        self, failed: Sequence[Sending], replies: Sequence[Any], slots: Sequence[int]
    ) -> Iterator[Sending]:
        """Yield the failed commands that another node may answer."""
        errors = [replies[one.number] for one in failed]
        if any(isinstance(error, (*_ELSEWHERE, exceptions.AskError)) for error in errors):
            self._is_suspect = True
        if any(isinstance(error, _LOST) for error in errors):
            self._refresh()
        for one, error in zip(failed, errors, strict=True):
            slot = slots[one.number]
            if isinstance(error, exceptions.AskError) and one.to is not None:
                target = (error.host or one.to[0], error.port)
                is_asking = not isinstance(error, exceptions.MovedError)
                if not is_asking:  # the node that had the slot knows it before all others
                    self._owners[slot] = target
                yield Sending(one.number, target, is_asking)
            elif isinstance(error, _ELSEWHERE) and self._owners[slot] != one.to:
                yield Sending(one.number, self._owners[slot])

    def _refresh(self, *, is_waited_for: bool = True) -> None:
        """Read the owners from a node that answers, at most once in `PAUSE_SECONDS`."""
        if not self._refreshing.acquire(blocking=is_waited_for):
            return
        try:
            if self._clock() >= self._next_refresh:
                self._is_suspect = not self._read_owners()
                self._next_refresh = self._clock() + PAUSE_SECONDS
        finally:
            self._refreshing.release()

    def _read_owners(self) -> bool:
        """Return whether the owners were read and all are well."""
        hanging = 0
        known = dict.fromkeys([*self._known(), *self._seeds])
        for node in sorted(map(self._node, known), key=lambda node: node.circuit.has_failed):
            if hanging < _MOST_HANGING and node.circuit.lets_through():
                error: exceptions.RedisError | None = None
                try:
                    self._take(node.read_owners())
                except exceptions.RedisError as caught:
                    error = caught
                    hanging += isinstance(error, exceptions.TimeoutError)
                except UNREADABLE:
                    error = exceptions.ResponseError("not the slots of a cluster")
                node.circuit.record(error)
                if error is None:
                    return not self._has_trouble()
        return False

    def _has_trouble(self) -> bool:
        nodes = map(self._node, self._known())
        return None in self._owners or any(node.circuit.has_failed for node in nodes)

    def _known(self) -> list[Address]:
        """Return the nodes that have slots."""
        return [owner for owner in dict.fromkeys(self._owners) if owner is not None]

    def _take(self, owners: Owners) -> None:
        """Use these owners from now on, and leave the nodes that have no slots any more."""
        self._owners = owners
        for address in self._nodes.keys() - set(owners) - set(self._seeds):
            follow(self._nodes.pop(address).client, exceptions.ConnectionError())

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            made = Node(address, self._make_client(address), self._clock)
            node = self._nodes.setdefault(address, made)
        return node


StoreClient = redis.Redis | Cluster
"""A client of one server, or of a cluster of them."""


def connect_store(url: str, timeouts: Timeouts | None = None) -> StoreClient:
    """Return a client of a server, or of the cluster in a `redis+cluster://` URL.

    Connects as needed; raises `InvalidRedisUrlError`.
    """
    try:
        parsed = ClusterUrl.parse(url)
    except ValueError:
        raise InvalidRedisUrlError("it has an invalid address") from None
    if parsed is None:
        return connect(url, timeouts)
    timeouts = timeouts or Timeouts()

    def make_client(address: Address) -> redis.Redis:
        return connect(parsed.url_of(address), timeouts)

    if make_client(parsed.nodes[0]).connection_pool.connection_kwargs.get("db"):
        raise InvalidRedisUrlError("a cluster has no other database than 0")
    return Cluster(parsed, make_client, timeouts.answer_seconds)


def follow_store(client: StoreClient) -> None:
    """Look whether the servers of a client were replaced by others; takes up to a timeout."""
    if isinstance(client, Cluster):
        client.look_again()
    else:
        look_again(client)
