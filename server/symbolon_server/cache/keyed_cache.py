"""One small keyed cache over the cache Redis: values with a lifetime, and counters."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import redis
from redis.client import Pipeline

from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.read_values import UNREADABLE, as_values
from symbolon_server.redis_servers.redis_trouble import describe_trouble

DEFAULT_TIMEOUT_SECONDS = 3600.0
_UNSOUND = "the cache Redis failed: its answer is of another kind than what it was asked for"


class CacheUnavailableError(Exception):
    """The cache Redis is down, slow, full or read-only: nothing can be read from it or kept."""


class _Default(Enum):
    DEFAULT = "the cache's own lifetime"


DEFAULT: Final = _Default.DEFAULT
"""Asks for the lifetime that the cache was made with."""


def _ignore() -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A value and how long it will be kept."""

    value: bytes
    remaining_seconds: float | None
    """None: until it is deleted."""


class KeyedCache:
    """Keeps bytes under texts, each for its lifetime, shared by all servers.

    Every trouble with Redis is a `CacheUnavailableError`. While Redis is down that costs no
    time: after a failure it is left alone for a moment.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str = "",
        default_timeout_seconds: float | None = DEFAULT_TIMEOUT_SECONDS,
        circuit: Circuit | None = None,
        on_error: Callable[[], None] = _ignore,
    ) -> None:
        """Make a cache whose keys begin with `prefix`; several on one server share a circuit.

        `on_error` is called for each request that fails.
        """
        self._on_error = on_error
        self._client = client
        self._prefix = prefix
        self._default_timeout_seconds = default_timeout_seconds
        self._circuit = circuit or Circuit()

    def key(self, name: str) -> str:
        """Return the whole key of a name, as it is in Redis."""
        return self._prefix + name

    def get(self, name: str) -> bytes | None:
        """Return the value, None when there is none (any more)."""
        return self.get_many([name])[0]

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return the values in the order asked, in one round trip."""
        if not names:
            return []
        with self._translated():
            return as_values(self._client.mget([self.key(name) for name in names]), len(names))

    def get_entries(self, names: Sequence[str]) -> list[CacheEntry | None]:
        """Return the values with their remaining lifetimes, in one round trip."""
        if not names:
            return []

        def ask(pipeline: Pipeline) -> None:
            pipeline.mget([self.key(name) for name in names])
            for name in names:
                pipeline.pttl(self.key(name))

        with sound_answers():
            values, *lifetimes = self.run(ask)
            pairs = zip(as_values(values, len(names)), lifetimes, strict=True)
            return [_make_entry(*pair) for pair in pairs]

    def set(self, name: str, value: bytes, timeout: float | _Default | None = DEFAULT) -> None:
        """Keep a value for `timeout` seconds; None keeps it until it is deleted."""
        milliseconds = self._milliseconds(timeout)
        with self._translated():
            self._client.set(self.key(name), value, px=milliseconds)

    def delete(self, *names: str) -> None:
        """Drop values; those that are not there are none the less gone."""
        if names:
            with self._translated():
                self._client.delete(*(self.key(name) for name in names))

    def increment(
        self, name: str, amount: int = 1, timeout: float | _Default | None = DEFAULT
    ) -> int:
        """Add to a counter and return it; its lifetime starts anew, as with `set`.

        A counter that is not there counts from 0, and so does what somebody else put there.
        """
        milliseconds = self._milliseconds(timeout)

        def count(pipeline: Pipeline) -> None:
            pipeline.incrby(self.key(name), amount)
            if milliseconds is None:
                pipeline.persist(self.key(name))
            else:
                pipeline.pexpire(self.key(name), milliseconds)

        with self._translated(), self._client.pipeline(transaction=True) as pipeline:
            count(pipeline)
            counted = pipeline.execute(raise_on_error=False)[0]
            if isinstance(counted, redis.ResponseError):
                self._client.set(self.key(name), amount, px=milliseconds)
                return amount
            return int(counted)

    def run(self, add_commands: Callable[[Pipeline], object]) -> list[Any]:
        """Send commands of any kind as one transaction; return their answers.

        For what is more than a value or a counter. Keys come from `key`.
        """
        with self._translated(), self._client.pipeline(transaction=True) as pipeline:
            add_commands(pipeline)
            answers: list[Any] = pipeline.execute()
            return answers

    def _milliseconds(self, timeout: float | _Default | None) -> int | None:
        if isinstance(timeout, _Default):
            timeout = self._default_timeout_seconds
        if timeout is None:
            return None
        if timeout <= 0:
            raise ValueError(f"a lifetime must be over 0 seconds, not {timeout}")
        return max(1, round(timeout * 1000))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if not self._circuit.lets_through():
            raise CacheUnavailableError("the cache Redis failed a moment ago")
        try:
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
    """Raise `CacheUnavailableError` for answers of another kind than what was asked for."""
    try:
        yield
    except UNREADABLE:
        raise CacheUnavailableError(_UNSOUND) from None


def _make_entry(value: bytes | None, lifetime_milliseconds: object) -> CacheEntry | None:
    if value is None:
        return None
    if not isinstance(lifetime_milliseconds, int):
        raise TypeError("not a lifetime")
    if lifetime_milliseconds < 0:  # -1: no lifetime
        return CacheEntry(value, None)
    return CacheEntry(value, lifetime_milliseconds / 1000)
