"""The permissions that the users of the two Redis servers need, checked by using them."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import redis
from redis import exceptions

from symbolon_server.cache.invalidations import CHANNEL
from symbolon_server.ingest.queueing import scripts
from symbolon_server.redis_servers import keys

FOR_AGES: Final = frozenset(
    {
        *("+restore", "+randomkey", "+object|idletime"),
        *("+setrange", f"~{keys.INSERTION_KEY}*", f"~{keys.USES_PREFIX}*"),
    }
)
"""Without these everything works, but a full store keeps other pages than those in use."""

_KEPT: Final = "60"
"""Expiry in seconds, for a test key that could not be deleted."""

_SCRIPT: Final = "return"
_SHA: Final = hashlib.sha1(_SCRIPT.encode()).hexdigest()  # noqa: S324 # it is how Redis names scripts

_NOTHING: Final = b""
"""A message that subscribers ignore."""

_COMMAND_REFUSED = re.compile(r"to run the '[^']*' command|^unknown (sub)?command")


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one user needs, in the order of the checks."""

    commands: tuple[str, ...]
    """A harmless use of each command; `$` stands for the start of test keys."""

    key_uses: tuple[str, ...]
    """Commands that read and write the key `$` without changing anything."""

    own_keys: str
    """Prefix of the keys in `commands`."""

    keys: Mapping[str, tuple[str, ...]]
    """For each pattern the keys to try; `$` stands for a unique name."""

    channels: Mapping[str, str]
    """A channel for each pattern."""


STORE: Final = Permissions(
    commands=(
        "client|setname symbolon",
        "info",
        "dbsize",
        "scan 0 count 1",
        f"set $ 0 ex {_KEPT}",
        "mget $",
        "touch $",
        "restore $ 0 0",
        "randomkey",
        "object|idletime $",
        "unlink $",
    ),
    key_uses=("mget $", "unlink $"),
    own_keys=keys.DIRECTORY_PREFIX + "check:",
    keys={
        f"{keys.DIRECTORY_PREFIX}*": (f"{keys.DIRECTORY_PREFIX}$",),
        f"{keys.PAGE_PREFIX}*": (f"{keys.PAGE_PREFIX}$",),
    },
    channels={},
)

STORE_NODE: Final = replace(
    STORE,
    commands=(
        "cluster|slots",
        "asking",
        "get $",
        *(line for line in STORE.commands if line != "mget $"),
    ),
    key_uses=("get $", "unlink $"),
)
"""On each node of a cluster; most keys are another node's, which it says after the check."""

CACHE: Final = Permissions(
    commands=(
        "client|setname symbolon",
        "info",
        "time",
        "scan 0 count 1",
        f"set $ 0 ex {_KEPT}",
        "get $",
        "mget $",
        "append $ 0",
        "setrange $ 0 0",
        "strlen $",
        "incr $",
        "incrby $ 1",
        "ttl $",
        "pttl $",
        f"expire $ {_KEPT}",
        f"pexpire $ {_KEPT}000",
        "type $",
        "exists $",
        "hset $:hash a 0",
        "hsetnx $:hash a 0",
        "hget $:hash a",
        "hmget $:hash a",
        "hgetall $:hash",
        "hincrby $:hash a 1",
        "hdel $:hash a",
        "zadd $:set 0 a",
        "zcard $:set",
        "zcount $:set 0 0",
        "zscore $:set a",
        "zmscore $:set a",
        "zrange $:set 0 0",
        "zrangebyscore $:set 0 0",
        "zrevrangebyscore $:set 0 0",
        "zremrangebyrank $:set 1 1",
        "zremrangebyscore $:set 1 1",
        "zrem $:set a",
        "xadd $:stream nomkstream * a 0",
        "xrevrange $:stream + - count 1",
        "xread count 1 streams $:stream 0",
        "del $ $:hash $:set",
        f"eval {_SCRIPT} 0",
        f"script|load {_SCRIPT}",
        f"evalsha {_SHA} 0",
        "multi",
        "exec",
    ),
    key_uses=("zscore $ {name}", "zrem $ {name}"),
    own_keys=scripts.PREFIX + "check:",
    keys={
        "{ingest:*": (scripts.LINE_KEY,),
        f"{keys.OUTCOME_PREFIX}*": (f"{keys.OUTCOME_PREFIX}$",),
        f"{keys.ATTEMPTS_PREFIX}*": (f"{keys.ATTEMPTS_PREFIX}$",),
        f"{keys.SUPPLIER_PREFIX}*": (f"{keys.SUPPLIER_PREFIX}$",),
        f"{keys.SUPPLIERS_PREFIX}*": (f"{keys.SUPPLIERS_PREFIX}$",),
        f"{keys.MISSING_PREFIX}*": (f"{keys.MISSING_PREFIX}seen",),
        f"{keys.INVALIDATED_KEY}*": (keys.INVALIDATED_KEY, keys.EPOCH_KEY),
        f"{keys.INSERTION_KEY}*": (keys.INSERTION_KEY, keys.ASKED_PAGES_KEY),
        f"{keys.USES_PREFIX}*": (f"{keys.USES_PREFIX}$",),
        "rq:*": ("rq:queues",),
        "ingest:*": ("ingest:running",),
    },
    channels={"{ingest:*": scripts.ENDED_CHANNEL, CHANNEL: CHANNEL},
)


def find_missing_permissions(client: redis.Redis, needed: Permissions) -> list[str]:
    """Return the permissions that the client's user lacks, as in `ACL SETUSER`: `+time`, `~page:*`.

    The check deletes what it writes and leaves other keys unchanged. A server that does not answer
    has no missing permissions.
    """
    missing = list[str]()
    with suppress(redis.RedisError):
        missing.extend(_find_refused(client, needed, secrets.token_hex(16)))
        missing.extend(_find_unheard(client, needed))
    return missing


def _find_refused(pooled: redis.Redis, needed: Permissions, name: str) -> Iterator[str]:
    with pooled.client() as client:  # type: ignore[no-untyped-call] # redis-py
        yield from _find_refused_keys(client, needed, name)
        yield from _find_refused_commands(client, needed, name)
        client.connection_pool.disconnect()  # it may be in a transaction


def _find_refused_keys(client: redis.Redis, needed: Permissions, name: str) -> Iterator[str]:
    for pattern, some_keys in needed.keys.items():
        uses = [use.format(name=name) for use in needed.key_uses]
        tried = (use.replace("$", key.replace("$", name)) for key in some_keys for use in uses)
        if any(_is_out_of_reach(_try(client, line)) for line in tried):
            yield f"~{pattern}"


def _find_refused_commands(client: redis.Redis, needed: Permissions, name: str) -> Iterator[str]:
    for line in needed.commands:
        error = _try(client, line.replace("$", needed.own_keys + name))
        if error is not None and _COMMAND_REFUSED.search(str(error)):
            yield f"+{line.split()[0]}"


def _find_unheard(client: redis.Redis, needed: Permissions) -> Iterable[str]:
    """Return what the user lacks to publish and subscribe on its channels."""
    missing = dict[str, None]()
    for pattern, channel in needed.channels.items():
        for command, use in (("publish", _publish), ("subscribe", _subscribe)):
            try:
                use(client, channel)
            except redis.ResponseError as error:
                is_command = _COMMAND_REFUSED.search(str(error))
                if is_command or isinstance(error, exceptions.NoPermissionError):
                    missing[f"+{command}" if is_command else f"&{pattern}"] = None
    return missing


def _publish(client: redis.Redis, channel: str) -> None:
    client.publish(channel, _NOTHING)


def _subscribe(client: redis.Redis, channel: str) -> None:
    with client.pubsub() as pubsub:  # type: ignore[no-untyped-call] # redis-py
        pubsub.subscribe(channel)
        pubsub.parse_response()


def _try(client: redis.Redis, line: str) -> redis.ResponseError | None:
    """Run a command; return its error, or None."""
    command, *arguments = line.split()
    try:
        client.execute_command(*command.split("|"), *arguments)  # type: ignore[no-untyped-call] # redis-py
    except redis.ResponseError as error:
        return error
    return None


def _is_out_of_reach(error: redis.ResponseError | None) -> bool:
    is_refused = isinstance(error, exceptions.NoPermissionError)
    return is_refused and not _COMMAND_REFUSED.search(str(error))
