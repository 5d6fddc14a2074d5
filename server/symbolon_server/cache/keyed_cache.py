"""Values with a lifetime, and counters, in the cache Redis."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis.client import Pipeline

from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.read_values import UNREADABLE, as_values
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.telemetry.metrics import REDIS_ERRORS
from symbolon_server.telemetry.tracing.spans import Kind, child

_UNSOUND = "the cache Redis failed: its reply has an unexpected type"


class CacheUnavailableError(Exception):
    """The cache Redis is down, slow, full or read-only: it can neither be read nor written."""


def _count_error() -> None:
    REDIS_ERRORS.labels("cache").inc()


class CacheAccess:
    """Turns every failure of the cache Redis into one error.

    After a failure the circuit is open for a moment, so that an outage costs callers no time.
    """

    def __init__(self, circuit: Circuit, on_error: Callable[[], None] = _count_error) -> None:
        """Share `circuit` with all users of the same server; call `on_error` for each failure."""
        self._circuit = circuit
        self._on_error = on_error

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Raise `CacheUnavailableError` for any failure of Redis in the block."""
        if not self._circuit.lets_through():
            raise CacheUnavailableError("the cache Redis failed a moment ago")
        try:
            with child("redis cache", Kind.CLIENT) as span:
                if span is not None:
                    span.attributes["db.system.name"] = "redis"
                yield
        except redis.RedisError as error:
            self._circuit.record(error)
            self._on_error()
            text = f"the cache Redis failed: {describe_trouble(error)}"
            raise CacheUnavailableError(text) from None
        except UNREADABLE:
            self._on_error()
            raise CacheUnavailableError(_UNSOUND) from None
        self._circuit.record(None)


@contextmanager
def sound_answers() -> Iterator[None]:
    """Raise `CacheUnavailableError` for replies of an unexpected type."""
    try:
        yield
    except UNREADABLE:
        raise CacheUnavailableError(_UNSOUND) from None


class CacheEntry(NamedTuple):
    """A value and its remaining lifetime."""

    value: bytes
    remaining_seconds: float | None
    """None if it does not expire."""


class KeyedCache:
    """Values and counters under text keys, each with its lifetime, shared by all servers.

    Every failure of Redis is a `CacheUnavailableError`.
    """

    def __init__(
        self,
        client: redis.Redis,
        circuit: Circuit | None = None,
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        """Use `client`; `on_error` is called for each request that fails."""
        self._client = client
        self._access = CacheAccess(circuit or Circuit(), on_error)

    def get(self, key: str) -> bytes | None:
        """Return the value, or None if it is absent."""
        with self._access.asking():
            return as_values(self._client.mget([key]), 1)[0]

    def get_entries(self, keys: Sequence[str]) -> list[CacheEntry | None]:
        """Return values and their remaining lifetimes, in the order asked, in one round trip."""
        if not keys:
            return []

        def ask(pipeline: Pipeline) -> None:
            pipeline.mget(keys)
            for key in keys:
                pipeline.pttl(key)

        with sound_answers():
            values, *lifetimes = self.run(ask)
            pairs = zip(as_values(values, len(keys)), lifetimes, strict=True)
            return [_make_entry(*pair) for pair in pairs]

    def set(self, key: str, value: bytes, timeout: float) -> None:
        """Keep a value for `timeout` seconds."""
        milliseconds = _milliseconds(timeout)
        with self._access.asking():
            self._client.set(key, value, px=milliseconds)

    def delete(self, *keys: str) -> None:
        """Delete values; absent ones are ignored."""
        if keys:
            with self._access.asking():
                self._client.delete(*keys)

    def increment(self, key: str, timeout: float) -> int:
        """Add one to a counter and return it; its lifetime starts again.

        A counter that is absent, or is not a number, starts at 0.
        """
        milliseconds = _milliseconds(timeout)
        with self._access.asking(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.incrby(key, 1)
            pipeline.pexpire(key, milliseconds)
            counted = pipeline.execute(raise_on_error=False)[0]
            if isinstance(counted, redis.ResponseError):
                self._client.set(key, 1, px=milliseconds)
                return 1
            return int(counted)

    def run(self, add_commands: Callable[[Pipeline], object]) -> list[Any]:
        """Send any commands as one transaction; return their replies."""
        with self._access.asking(), self._client.pipeline(transaction=True) as pipeline:
            add_commands(pipeline)
            replies: list[Any] = pipeline.execute()
            return replies


def _milliseconds(timeout: float) -> int:
    if timeout <= 0:
        raise ValueError(f"a lifetime must be over 0 seconds, not {timeout}")
    return max(1, round(timeout * 1000))


def _make_entry(value: bytes | None, lifetime_milliseconds: object) -> CacheEntry | None:
    if value is None:
        return None
    if not isinstance(lifetime_milliseconds, int):
        raise TypeError("not a lifetime")
    if lifetime_milliseconds < 0:  # -1: no lifetime
        return CacheEntry(value, None)
    return CacheEntry(value, lifetime_milliseconds / 1000)
