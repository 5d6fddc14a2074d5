"""Lets the queue of a version before this one go, whose keys named no version."""

from contextlib import suppress
from itertools import chain
from typing import Final

import redis

from symbolon_server.ingest.queueing.scripts import KEPT_SECONDS

_FIXED: Final = (
    *("rq:queues", "rq:queue:interactive", "rq:queue:prefetch", "rq:workers"),
    *("ingest:running", "ingest:bell"),
)
_PATTERNS: Final = ("rq:job:*", "ingest:wanted:*")
_KEYS_A_STEP: Final = 1_000


def expire_earlier_queue(client: redis.Redis) -> None:
    """Give what is left of the earlier queue a week, in which the earlier version can come back.

    Nobody looks at these keys any more; a cache that does not answer, or does not allow it, is
    left alone.
    """
    with suppress(redis.RedisError):
        if not client.exists(*_FIXED):
            return
        found = chain.from_iterable(
            client.scan_iter(match=pattern, count=_KEYS_A_STEP) for pattern in _PATTERNS
        )
        for key in chain(_FIXED, found):
            if client.ttl(key) == -1:
                client.expire(key, KEPT_SECONDS)
