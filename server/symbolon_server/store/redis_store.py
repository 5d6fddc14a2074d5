"""The page store in Redis, shared by all servers and workers."""

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import redis
from redis import exceptions

from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.following import follow
from symbolon_server.redis_servers.keys import directory_key, page_key
from symbolon_server.redis_servers.read_values import UNREADABLE, as_values
from symbolon_server.store.redis_dumps import dump_string
from symbolon_server.store.store_spans import note_hits, store_span
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey

BATCH_BYTES = 1 << 20
"""The approximate size of one pipeline of writes, so that other clients are served in between."""

FULL_SHARE = 0.8
"""The share of `maxmemory` below which Redis evicts nothing, whatever it has evicted before.

A full store is near 1, less by what clients' buffers took for a moment.
"""

_SAMPLED_KEYS = 100
"""Keys whose idle time is read at once."""

_NO_DUMP = b""
"""What no Redis restores, and one that permits `RESTORE` refuses as unreadable."""

TOUCH_SECONDS = 30.0
"""The interval at which `RecentUse` touches keys."""

MOST_TOUCHED_KEYS = 20_000
"""How many pages are touched at once; others wait for their next use."""

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
"""The reason passed to `on_error` for each kind of error; the first match counts."""

NO_AGES: Mapping[Any, int] = MappingProxyType({})
"""All pages are new."""

_T = TypeVar("_T")


def count_nothing(_reason: str) -> None:
    """Count nothing."""


class RedisPageStore:
    """Keeps pages in Redis, which evicts the least recently used.

    Every Redis error becomes a miss and a call of `on_error` with its reason (`timeout`,
    `connection`, `loading`, `full`, `read_only`, `refused`, `other`). After a failure the circuit
    is open for a second, so that an outage costs calls little; the reason is then `skipped`.
    """

    def __init__(
        self,
        client: redis.Redis,
        on_error: Callable[[str], None] = count_nothing,
        clock: Callable[[], float] = time.monotonic,
        circuit: Circuit | None = None,
    ) -> None:
        self._client = client
        self._on_error = on_error
        self._circuit = circuit or Circuit(clock=clock, server="store")
        self._is_readable = True
        self._takes_ages: bool | None = None

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""
        return self._get([directory_key(module_id) for module_id in module_ids])

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss; all in one round trip."""
        return self._get([page_key(key) for key in keys])

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Store pages, as far as Redis accepts them."""
        self.put_aged_pages(pages, {})

    def put_aged_pages(
        self, pages: Mapping[PageKey, bytes], idle_seconds: Mapping[PageKey, int]
    ) -> None:
        """Store pages, each as if unused for its `idle_seconds`; without them it is new."""
        seconds = {page_key(key): idle_seconds[key] for key in pages if key in idle_seconds}
        for batch in split((page_key(key), page) for key, page in pages.items()):
            self._put(batch, seconds)

    def takes_ages(self) -> bool:
        """Return whether Redis permits `RESTORE`; False too while it does not answer.

        Asked once, with a value that cannot be restored.
        """
        if self._takes_ages is None:
            self._takes_ages = self._ask(lambda: may_restore(self._client), None)
        return bool(self._takes_ages)

    def sample_idle_seconds(self) -> list[float] | None:
        """Return the idle times of random keys; None if Redis evicts none of them.

        None, too, if Redis does not tell, for example with a policy that counts frequencies; empty
        if it does not answer.
        """
        nothing: list[float] | None = []
        return self._ask(lambda: _sample_idle_seconds(self._client), nothing)

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Store directories, each replacing any earlier one."""
        items = ((directory_key(module_id), data) for module_id, data in directories.items())
        for batch in split(items):
            self._put(batch)

    def forget(self, module_id: ModuleId) -> None:
        """Delete a module's directory; its pages are evicted in time."""
        self._ask(lambda: self._client.unlink(directory_key(module_id)), None)

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Mark these as used now, because a server used them from its memory."""
        names = list(chain(map(directory_key, module_ids), map(page_key, keys)))
        if names:
            self._ask(lambda: self._client.touch(*names), None)

    def is_answering(self) -> bool:
        """Return whether the last request reached Redis, and the last read succeeded.

        A replica without its primary is reachable and refuses reads (`MASTERDOWN`).
        """
        return self._is_readable and not self._circuit.has_failed

    def is_lost(self) -> bool:
        """Return whether the last request, or read, failed."""
        return not self.is_answering()

    def _get(self, keys: list[str]) -> list[bytes | None]:
        if not keys:
            return []
        encoded = [key.encode() for key in keys]  # redis-py would check each for five types
        with store_span("MGET", len(keys)) as span:
            values = self._ask(lambda: as_values(self._client.mget(encoded), len(keys)), None)
            note_hits(span, values)
        # No lock: of two concurrent threads, the later one knows the current state.
        self._is_readable = values is not None
        return [None] * len(keys) if values is None else values

    def _put(
        self, items: Sequence[tuple[str, bytes]], idle_seconds: Mapping[str, int] = NO_AGES
    ) -> None:
        def send() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for key, value in items:
                    if seconds := idle_seconds.get(key, 0):
                        dump = dump_string(value)
                        pipeline.restore(key, 0, dump, replace=True, idletime=seconds)
                    else:  # redis-py's `set` would add half to the time
                        pipeline.execute_command("SET", key, value)  # type: ignore[no-untyped-call]
                return pipeline.execute(raise_on_error=False)

        nothing: list[Any] = []
        with store_span("SET", len(items)):
            answers = self._ask(send, nothing)
        for answer in answers:
            if isinstance(answer, redis.RedisError):
                follow(self._client, answer)
                self._on_error(reason_of(answer))

    def _ask(self, ask: Callable[[], _T], otherwise: _T) -> _T:
        if not self._circuit.lets_through():
            self._on_error("skipped")
            return otherwise
        try:
            answer = ask()
        except redis.RedisError as error:
            self._circuit.record(error)
            self._on_error(reason_of(error))
            return otherwise
        except UNREADABLE:  # a reply of an unexpected type
            self._on_error("other")
            return otherwise
        self._circuit.record(None)
        return answer


class TouchedStore(Protocol):
    """A store that can be told which keys are used."""

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Mark these as used now."""


class RecentUse:
    """Collects the keys of pages served from memory, and touches them in the store periodically.

    Otherwise the hottest pages would be evicted first: no server reads from the store what it has
    in memory.
    """

    def __init__(
        self,
        store: TouchedStore,
        touch_seconds: float = TOUCH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._touch_seconds = touch_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._module_ids: set[ModuleId] = set()
        self._keys: set[PageKey] = set()
        self._next_touch = clock() + touch_seconds

    def note(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Note that these were used; one call in `touch_seconds` also touches them in the store."""
        with self._lock:
            if len(self._keys) < MOST_TOUCHED_KEYS:
                self._keys.update(keys)
                self._module_ids.update(module_ids)
            if self._clock() < self._next_touch:
                return
            self._next_touch = self._clock() + self._touch_seconds
            used_modules, self._module_ids = self._module_ids, set()
            used_keys, self._keys = self._keys, set()
        self._store.touch(used_modules, used_keys)


def may_restore(client: redis.Redis) -> bool:
    """Return whether `RESTORE` is permitted; raise redis-py's errors but for the refusal."""
    try:
        client.restore("page:", 0, _NO_DUMP)
    except exceptions.NoPermissionError:
        return False
    except exceptions.MovedError:  # another node of the cluster has the key
        return True
    except exceptions.ResponseError as error:
        if "unknown command" in str(error).lower():  # as providers rename it
            return False
        if "payload" not in str(error).lower():
            raise
    return True


def _sample_idle_seconds(client: redis.Redis) -> list[float] | None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.info("stats")
        pipeline.info("memory")
        for _ in range(_SAMPLED_KEYS):
            pipeline.randomkey()
        stats, memory, *keys = pipeline.execute(raise_on_error=False)
        for error in (stats, memory):
            if isinstance(error, redis.RedisError):
                raise error
        if not int(stats["evicted_keys"]) or not _is_full(memory):
            return None
        for key in keys:
            if isinstance(key, bytes):
                pipeline.object("IDLETIME", key)
        answers = pipeline.execute(raise_on_error=False)
    return [float(answer) for answer in answers if isinstance(answer, int)] or None


def _is_full(memory: Mapping[str, Any]) -> bool:
    """Return whether keys are evicted now: a larger limit, or `FLUSHALL`, makes room again."""
    return int(memory["used_memory"]) >= FULL_SHARE * (int(memory["maxmemory"]) or math.inf)


def reason_of(error: redis.RedisError) -> str:
    """Return the reason that is passed to `on_error`."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return "other"


def split(items: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the items in lists of at least `BATCH_BYTES` each, except for the last."""
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
