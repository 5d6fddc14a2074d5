"""How many modules and pages the store holds."""

from dataclasses import dataclass
from typing import cast

import redis

from symbolon_server.redis_servers.keys import DIRECTORY_PREFIX, PAGE_PREFIX
from symbolon_server.redis_servers.read_values import UNREADABLE
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.redis_servers.servers import ServerUnreachableError, server_name

SAMPLE_KEYS = 5_000
"""Up to this many keys are counted one by one; of more, about this many are looked at."""

_KEYS_PER_STEP = 1_000


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """What the store holds, by kind of key."""

    modules: int
    pages: int
    is_estimated: bool
    """Only a sample of the keys was looked at."""


def count_keys(client: redis.Redis, sample_keys: int = SAMPLE_KEYS) -> KeyCounts:
    """Count modules and pages in a store, in a bounded number of short steps.

    Raises `ServerUnreachableError`.
    """
    try:
        keys = int(client.dbsize())
        sample, is_whole = _sample(client, sample_keys)
    except redis.RedisError as error:
        text = f"{server_name(client)}: {describe_trouble(error)}"
        raise ServerUnreachableError(text) from None
    except UNREADABLE:
        text = f"{server_name(client)}: its answer is of another kind than what it was asked for"
        raise ServerUnreachableError(text) from None
    share = 1.0 if is_whole else keys / max(1, len(sample))
    return KeyCounts(
        modules=round(_count(sample, DIRECTORY_PREFIX) * share),
        pages=round(_count(sample, PAGE_PREFIX) * share),
        is_estimated=not is_whole,
    )


def _sample(client: redis.Redis, most: int) -> tuple[set[bytes], bool]:
    """Return about `most` keys, as they lie in the server's hash table, and whether it is all.

    SCAN may return a key twice, hence the set.
    """
    found: set[bytes] = set()
    cursor = 0
    while len(found) < most:
        cursor, keys = client.scan(cursor, count=_KEYS_PER_STEP)
        found.update(cast("list[bytes]", keys))
        if cursor == 0:
            return found, True
    return found, False


def _count(keys: set[bytes], prefix: str) -> int:
    return sum(key.startswith(prefix.encode()) for key in keys)
