"""Counts the modules and pages in the store."""

from typing import NamedTuple, cast

import redis

from symbolon_server.redis_servers.cluster import Cluster, StoreClient
from symbolon_server.redis_servers.keys import DIRECTORY_PREFIX, PAGE_PREFIX
from symbolon_server.redis_servers.servers import ServerUnreachableError, reaching

SAMPLE_KEYS = 5_000
"""Up to this many keys are counted exactly; of more, a sample of about this size is taken."""

_KEYS_PER_STEP = 1_000


class KeyCounts(NamedTuple):
    """The numbers of keys in the store, by kind."""

    modules: int
    pages: int
    is_estimated: bool
    """Whether the numbers are extrapolated from a sample."""


def count_keys(client: StoreClient, sample_keys: int = SAMPLE_KEYS) -> KeyCounts:
    """Count modules and pages in a store, in a bounded number of short steps.

    Raises `ServerUnreachableError`, for a cluster if any of its nodes does not answer.
    """
    if isinstance(client, Cluster):
        nodes = client.primaries()
        if not nodes:
            raise ServerUnreachableError(f"{client}: it does not say which node has which slots")
        counts = [count_keys(node.client, sample_keys // len(nodes)) for node in nodes]
        return KeyCounts(
            modules=sum(count.modules for count in counts),
            pages=sum(count.pages for count in counts),
            is_estimated=any(count.is_estimated for count in counts),
        )
    with reaching(client):
        keys = int(client.dbsize())
        sample, is_whole = _sample(client, sample_keys)
    share = 1.0 if is_whole else keys / max(1, len(sample))
    return KeyCounts(
        modules=round(_count(sample, DIRECTORY_PREFIX) * share),
        pages=round(_count(sample, PAGE_PREFIX) * share),
        is_estimated=not is_whole,
    )


def _sample(client: redis.Redis, most: int) -> tuple[set[bytes], bool]:
    """Return about `most` keys in the order of SCAN, and whether these are all.

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
