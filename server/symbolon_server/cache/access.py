"""Turns every trouble with the cache Redis into one error."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.read_values import UNREADABLE
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.telemetry.metrics import REDIS_ERRORS


class CacheAccess:
    """The way to the cache Redis for what a keyed cache cannot do: scripts and streams."""

    def __init__(self, circuit: Circuit) -> None:
        """Share `circuit` with all who ask the same server."""
        self._circuit = circuit

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Raise `CacheUnavailableError` for whatever Redis does wrong in the block."""
        if not self._circuit.lets_through():
            raise CacheUnavailableError("the cache Redis failed a moment ago")
        try:
            yield
        except redis.RedisError as error:
            self._circuit.record(error)
            REDIS_ERRORS.labels("cache").inc()
            text = f"the cache Redis failed: {describe_trouble(error)}"
            raise CacheUnavailableError(text) from None
        except UNREADABLE:
            REDIS_ERRORS.labels("cache").inc()
            text = (
                "the cache Redis failed: its answer is of another kind than what it was asked for"
            )
            raise CacheUnavailableError(text) from None
        self._circuit.record(None)
