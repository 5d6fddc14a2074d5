"""A page store in the Redis server that all servers and workers share."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import redis
from redis import exceptions

from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.following import follow
from symbolon_server.redis_servers.keys import directory_key, page_key
from symbolon_server.redis_servers.read_values import UNREADABLE, as_values
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey

FULL_SHARE = 0.8
"""The share of `maxmemory` above which only pages that were asked for are put."""

BATCH_BYTES = 1 << 20
"""Pages are written in pipelines of about this size, so that other callers get their turn."""

_ROOM_SECONDS = 1.0
"""How long an answer about room holds."""

_REASONS = (
    (exceptions.TimeoutError, "timeout"),
    (exceptions.BusyLoadingError, "loading"),
    (exceptions.AuthenticationError, "refused"),
    (exceptions.AuthorizationError, "refused"),
    (exceptions.ConnectionError, "connection"),
    (exceptions.OutOfMemoryError, "full"),
    (exceptions.ReadOnlyError, "read_only"),
    (exceptions.NoPermissionError, "refused"),
)
"""What `on_error` is told for each kind of error; the first that fits."""

_T = TypeVar("_T")


def _ignore(_reason: str) -> None:
    """Count nothing."""


class RedisPageStore:
    """Keeps pages in Redis, which evicts those not used for longest.

    Every error of Redis becomes, here, a miss and a call of `on_error` with its reason
    (`timeout`, `connection`, `loading`, `full`, `read_only`, `refused`, `other`). A server
    that failed is left alone for a second, so that a dead store costs a call little: `skipped`
    is counted then.
    """

    def __init__(
        self,
        client: redis.Redis,
        on_error: Callable[[str], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._on_error = on_error
        self._clock = clock
        self._circuit = Circuit(clock=clock, server="store")
        self._is_readable = True
        self._has_room = False
        self._room_known_until = float("-inf")

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""
        return self._get([directory_key(module_id) for module_id in module_ids])

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss; one round trip for all."""
        return self._get([page_key(key) for key in keys])

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Keep these pages, as far as Redis takes them."""
        for batch in _split((page_key(key), page) for key, page in pages.items()):
            self._put(batch)

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Keep these directories, each in the place of any earlier one."""
        items = ((directory_key(module_id), data) for module_id, data in directories.items())
        for batch in _split(items):
            self._put(batch)

    def forget(self, module_id: ModuleId) -> None:
        """Drop a module's directory; its pages are evicted in time."""
        self._ask(lambda: self._client.unlink(directory_key(module_id)), None)

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Count these as used now: they were, from a server's memory."""
        names = list(chain(map(directory_key, module_ids), map(page_key, keys)))
        if names:
            self._ask(lambda: self._client.touch(*names), None)

    def has_room(self) -> bool:
        """Return whether less than 80 % of `maxmemory` is used; asks at most once a second.

        A store without a limit always has room; one that does not answer has none.
        """
        now = self._clock()
        if now >= self._room_known_until:
            # Before the answer is there, so that other threads do not ask as well.
            self._room_known_until = now + _ROOM_SECONDS
            self._has_room = self._ask(self._read_room, False)
        return self._has_room

    def is_answering(self) -> bool:
        """Return whether Redis was there when it was last asked, and let itself be read.

        A replica that lost its primary is there and refuses to be read (`MASTERDOWN`).
        """
        return self._is_readable and not self._circuit.has_failed

    def _read_room(self) -> bool:
        memory = self._client.info("memory")
        limit = int(memory.get("maxmemory", 0))
        return limit == 0 or int(memory.get("used_memory", 0)) < FULL_SHARE * limit

    def _get(self, keys: list[str]) -> list[bytes | None]:
        if not keys:
            return []
        encoded = [key.encode() for key in keys]  # redis-py would try five types for each
        values = self._ask(lambda: as_values(self._client.mget(encoded), len(keys)), None)
        # Without a lock: of two threads at once the later is right about the present.
        self._is_readable = values is not None
        return [None] * len(keys) if values is None else values

    def _put(self, items: Sequence[tuple[str, bytes]]) -> None:
        def send() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for key, value in items:
                    pipeline.set(key, value)
                return pipeline.execute(raise_on_error=False)

        nothing: list[Any] = []
        for answer in self._ask(send, nothing):
            if isinstance(answer, redis.RedisError):
                follow(self._client, answer)
                self._on_error(_reason(answer))

    def _ask(self, ask: Callable[[], _T], otherwise: _T) -> _T:
        if not self._circuit.lets_through():
            self._on_error("skipped")
            return otherwise
        try:
            answer = ask()
        except redis.RedisError as error:
            self._circuit.record(error)
            self._on_error(_reason(error))
            return otherwise
        except UNREADABLE:  # an answer of another kind than what it was asked for
            self._on_error("other")
            return otherwise
        self._circuit.record(None)
        return answer


def _reason(error: redis.RedisError) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return "other"


def _split(items: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the items in lists of at least `BATCH_BYTES` each, but for the last."""
    batch: list[tuple[str, bytes]] = []
    batch_bytes = 0
    for item in items:
        batch.append(item)
        batch_bytes += len(item[1])
        if batch_bytes >= BATCH_BYTES:
            yield batch
            batch, batch_bytes = [], 0
    if batch:
        yield batch
