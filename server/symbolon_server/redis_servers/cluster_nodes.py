"""The nodes of a Redis Cluster, and commands sent to one of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.following import follow
from symbolon_server.redis_servers.read_values import UNREADABLE
from symbolon_server.redis_servers.sentinels import Address, show

Command = tuple[Any, ...]
"""The name of a command, its key in bytes, and the rest."""

Owners = list[Address | None]
"""The node of each slot, None for a slot that none has."""


class SkippedError(exceptions.RedisError):
    """The circuit of the node is open: the command was not sent."""


class Node:
    """A node with its own connections and circuit, so that others do not suffer if it hangs."""

    def __init__(
        self, address: Address, client: redis.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = address
        self.client = client
        self.circuit = Circuit(clock=clock, server=f"store {show(address)}")

    def requires_all_nodes(self) -> bool | None:
        """Return whether it stops serving when others are lost; None if it does not tell."""
        name = "cluster-require-full-coverage"
        try:
            return bool(self.client.config_get(name)[name] == "yes")
        except (exceptions.RedisError, *UNREADABLE):  # providers forbid CONFIG
            return None

    def read_owners(self) -> Owners:
        """Return the owners of all slots; raise redis-py's errors, or one of `UNREADABLE`."""
        owners: Owners = [None] * REDIS_CLUSTER_HASH_SLOTS
        answer: Any = self.client.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call] # redis-py
        for first, last, (host, port, *_), *_ in answer:
            if not 0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS:
                raise ValueError("no slots")
            # A node may not know its own name, and then has none, or `?`.
            name = (host or b"").decode().strip("?") or self.address[0]
            owners[first : last + 1] = [(name, int(port))] * (last + 1 - first)
        return owners


@dataclass(slots=True)
class Sending:
    """Where a command is sent next."""

    number: int
    """Its place among the commands of a call."""

    to: Address | None
    is_asking: bool = False
    """Whether the node does not have the slot yet, and needs to be told that we know."""


class Exchange:
    """Commands to one node, sent before the replies of any node are awaited."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.sendings: list[Sending] = []
        self._error: exceptions.RedisError | None = None
        self._connection: Any = None
        self._unread = 0

    def send(self, commands: Sequence[Command], *, may_try: bool) -> bool:
        """Send the commands with the numbers of `sendings`; to a failed node if we `may_try`.

        Returns whether a failed node was tried.
        """
        has_failed = self.node.circuit.has_failed
        if (has_failed and not may_try) or not self.node.circuit.lets_through():
            self._error = SkippedError()
            return False
        own: list[Command] = []
        for sending in self.sendings:
            if sending.is_asking:
                own.append(("ASKING",))
            own.append(commands[sending.number])
        self._unread = len(own)
        try:
            self._connection = self.node.client.connection_pool.get_connection()
            self._connection.send_packed_command(self._connection.pack_commands(own))
        except exceptions.RedisError as error:
            self._fail(error)
        return has_failed

    def receive(self, deadline: float) -> list[Any]:
        """Return the reply to each command, or its error; wait until `deadline` for the first."""
        replies: list[Any] = []
        if self._error is None:
            try:
                if not self._connection.can_read(timeout=max(0.0, deadline - time.monotonic())):
                    raise exceptions.TimeoutError("timed out")
                for sending in self.sendings:
                    if sending.is_asking:
                        self._read()
                    replies.append(self._read())
            except exceptions.RedisError as error:
                self._fail(error)
            except UNREADABLE:  # bytes that are no reply
                self._fail(exceptions.InvalidResponse())
        if self._error is None:
            self.node.circuit.record(next(filter(_is_trouble, replies), None))
        return replies + [self._error] * (len(self.sendings) - len(replies))

    def close(self) -> None:
        """Return the connection; close it if a reply may still come."""
        if self._connection is not None:
            if self._unread:
                self._connection.disconnect()
            self.node.client.connection_pool.release(self._connection)
            self._connection = None

    def _read(self) -> Any:
        try:
            reply = self._connection.read_response()
        except exceptions.ResponseError as error:
            reply = error
        self._unread -= 1
        return reply

    def _fail(self, error: exceptions.RedisError) -> None:
        self._error = error
        self.node.circuit.record(error)
        follow(self.node.client, error)


def _is_trouble(reply: object) -> bool:
    is_error = isinstance(reply, exceptions.RedisError)
    return is_error and not isinstance(reply, exceptions.AskError)
