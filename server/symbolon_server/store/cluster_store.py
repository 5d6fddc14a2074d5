"""The page store in a Redis Cluster: pages and directories are spread over its nodes by key."""

import heapq
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from types import NoneType
from typing import Any, Final

import redis

from symbolon_server.redis_servers.cluster import Cluster
from symbolon_server.redis_servers.cluster_nodes import Command, Node, SkippedError
from symbolon_server.redis_servers.keys import directory_key, page_key
from symbolon_server.store.redis_dumps import dump_string
from symbolon_server.store.redis_store import (
    NO_AGES,
    RedisPageStore,
    count_nothing,
    reason_of,
    split,
)
from symbolon_server.store.store_spans import note_hits, store_span
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey

_TOUCHED_AT_ONCE: Final = 1000

_GOT: Final = (bytes, NoneType, redis.RedisError)

_OLDEST: Final = 5
"""Samples of nodes are compared by so many of their oldest keys, as eviction ages are."""


class ClusterPageStore:
    """Keeps each page in the node that has its key's slot; does what `RedisPageStore` does.

    A node that is down, hangs or refuses makes misses of its own keys alone: a third of the pages
    of any module, if it is one of three nodes.
    """

    def __init__(self, cluster: Cluster, on_error: Callable[[str], None] = count_nothing) -> None:
        self._cluster = cluster
        self._on_error = on_error
        self._takes_ages = False
        self._last = threading.local()

    def get_directories(self, module_ids: Sequence[ModuleId]) -> list[bytes | None]:
        """Return the directory of each module in the order asked, None for a miss."""
        return self._get(map(directory_key, module_ids))

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        """Return each page in the order asked, None for a miss; all in one round trip."""
        return self._get(map(page_key, keys))

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        """Store pages, as far as the nodes accept them."""
        self.put_aged_pages(pages, {})

    def put_aged_pages(
        self, pages: Mapping[PageKey, bytes], idle_seconds: Mapping[PageKey, int]
    ) -> None:
        """Store pages, each as if unused for its `idle_seconds`; without them it is new."""
        seconds = {page_key(key): idle_seconds[key] for key in pages if key in idle_seconds}
        self._put(((page_key(key), page) for key, page in pages.items()), seconds)

    def put_directories(self, directories: Mapping[ModuleId, bytes]) -> None:
        """Store directories, each replacing any earlier one."""
        self._put((directory_key(module_id), data) for module_id, data in directories.items())

    def forget(self, module_id: ModuleId) -> None:
        """Delete a module's directory; its pages are evicted in time."""
        self._run([("UNLINK", directory_key(module_id).encode())])

    def touch(self, module_ids: Collection[ModuleId], keys: Collection[PageKey]) -> None:
        """Mark these as used now, because a server used them from its memory."""
        names = [*map(directory_key, module_ids), *map(page_key, keys)]
        touches = iter([("TOUCH", name.encode()) for name in names])
        while some := list(islice(touches, _TOUCHED_AT_ONCE)):
            self._run(some)

    def takes_ages(self) -> bool:
        """Return whether all nodes permit `RESTORE`; False too while one does not answer."""
        if not self._takes_ages:
            nodes = self._cluster.primaries()
            self._takes_ages = bool(nodes) and all(self._one(node).takes_ages() for node in nodes)
        return self._takes_ages

    def sample_idle_seconds(self) -> list[float] | None:
        """Return the idle times of random keys of the node that evicts the youngest ones.

        None if no node evicts, or none tells; empty if none answers. Pages that are younger than
        the eviction age of that node are kept by all.
        """
        nodes = self._cluster.primaries()
        samples = [self._one(node).sample_idle_seconds() for node in nodes]
        found = [sample for sample in samples if sample]
        if found:
            return min(found, key=lambda sample: heapq.nlargest(_OLDEST, sample)[-1])
        return None if None in samples else []

    def is_answering(self) -> bool:
        """Return whether the last request of this thread reached all nodes that it was for."""
        return bool(getattr(self._last, "was_answered", True))

    def is_lost(self) -> bool:
        """Return whether no node answered the last request of this thread."""
        return bool(getattr(self._last, "was_lost", False))

    def _one(self, node: Node) -> RedisPageStore:
        return RedisPageStore(node.client, self._on_error, circuit=node.circuit)

    def _get(self, keys: Iterable[str]) -> list[bytes | None]:
        replies = self._run([("GET", key.encode()) for key in keys])
        if not all(isinstance(reply, _GOT) for reply in replies):  # of an unexpected type
            self._on_error("other")
            self._last.was_answered = False
        return [reply if isinstance(reply, bytes) else None for reply in replies]

    def _put(
        self, items: Iterable[tuple[str, bytes]], idle_seconds: Mapping[str, int] = NO_AGES
    ) -> None:
        for batch in split(items):
            self._run([_put_command(key, data, idle_seconds.get(key, 0)) for key, data in batch])

    def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies; count each error once, also if many keys have it."""
        replies: list[Any] = []
        if commands:
            with store_span(str(commands[0][0]), len(commands)) as span:
                replies = self._cluster.run(commands)
                note_hits(span, replies if all(map(_is_answer, replies)) else None)
        errors = {repr(reply): reply for reply in replies if not _is_answer(reply)}
        self._last.was_answered = not errors
        self._last.was_lost = bool(errors) and not any(map(_is_answer, replies))
        for error in errors.values():
            skipped = isinstance(error, SkippedError)
            self._on_error("skipped" if skipped else reason_of(error))
        return replies


def _is_answer(reply: object) -> bool:
    return not isinstance(reply, redis.RedisError)


def _put_command(key: str, value: bytes, idle_seconds: int) -> Command:
    name = key.encode()
    if idle_seconds:
        return ("RESTORE", name, 0, dump_string(value), "REPLACE", "IDLETIME", idle_seconds)
    return ("SET", name, value)
