"""The queue of ingests in the cache Redis, as servers see it."""

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import redis

from symbolon_server.cache.keyed_cache import CacheAccess, CacheUnavailableError, sound_answers
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.jobs import DETAIL_FIELDS, Band, details_of
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.tracing.spans import Kind, Span, child

MAX_QUEUED: Final = 100_000
"""More jobs than workers can do in an hour; each takes about 400 bytes of the cache."""

MAX_WANTED_OFFSETS: Final = 2_000
"""More than the pages of a large module; the approximate limit of a job's wanted offsets."""

_CALLERS: Final = 1_000
"""As many find room in a full queue until it is twice as long."""

_OFFSET_BYTES: Final = 8
_MOST_STEP_BYTES: Final = 100_000
"""Of names and wanted offsets in one step, so that it blocks Redis for a few milliseconds."""

_WAITS_SECONDS: Final = scripts.WAITS_MS / 1000
_NO_DETAILS: Final = ("",) * len(DETAIL_FIELDS)

NOBODY: Final = ""
"""The caller of requests without a caller."""


class QueueFullError(CacheUnavailableError):
    """The maximum number of modules is queued already."""


class Enqueued(NamedTuple):
    """The result of queueing modules."""

    added: int
    """Number of new jobs."""

    refused: frozenset[ModuleId]
    """Modules for which there was no room; all others are on the queue."""


class Look(NamedTuple):
    """The state of modules that callers wait for."""

    ended: frozenset[ModuleId]
    """Modules without a job."""

    behind: frozenset[ModuleId]
    """Modules that were moved to a later band, because no caller seemed to wait for them."""


class IngestQueue:
    """Modules to ingest, each at most once, first those that a caller waits for.

    Callers take turns, one module each. All methods raise `CacheUnavailableError` when the cache
    does not answer.
    """

    def __init__(
        self, client: redis.Redis, circuit: Circuit | None = None, max_queued: int = MAX_QUEUED
    ) -> None:
        """Use the cache Redis of `client`; all its users share `circuit`.

        At most `max_queued` modules are queued at a time, at most half of them without a waiting
        caller, and as many prefetches. In a full queue each caller may have a thousandth of them.
        """
        self._client = client
        self._max_queued = max_queued
        self._access = CacheAccess(circuit or Circuit())
        self._enqueue = client.register_script(scripts.ENQUEUE)
        self._look = client.register_script(scripts.LOOK)

    def enqueue(
        self,
        wanted: Mapping[ModuleId, Collection[int]],
        band: Band,
        caller: str = NOBODY,
        wait_seconds: float = _WAITS_SECONDS,
        asked: Collection[AskedModule] = (),
    ) -> Enqueued:
        """Queue an ingest for each module without one.

        `wanted` has the requested module offsets: the store gets the pages that cover them first,
        and as new. A module that is queued in a later band moves up. `wait_seconds` is how long the
        caller waits if it does not `look` again; `asked` is what is known about the modules besides
        their ids. 100 modules are one round trip.
        """
        waits = round(1000 * max(0.0, min(wait_seconds, _WAITS_SECONDS)))
        # Those that nobody waits for leave room for the others, and no caller takes all of it.
        most = self._max_queued if band is not Band.WANTED else (self._max_queued + 1) // 2
        most_own = max(1, self._max_queued // _CALLERS)
        limits = (most, most_own, MAX_WANTED_OFFSETS * _OFFSET_BYTES)
        added, refused = 0, set[bytes]()
        with child("enqueue ingest", Kind.PRODUCER) as span, self._access.asking():
            trace = "" if span is None else _note_message(span, len(wanted), band)
            for step in _steps(wanted, asked):
                head = (int(band), caller, waits, *limits, trace)
                arguments: list[str | bytes | int] = [*head, *step]
                more, others = self._enqueue(keys=[scripts.PREFIX], args=arguments)
                added += more
                refused.update(others)
        return Enqueued(added, frozenset(m for m in wanted if str(m).encode() in refused))

    def look(self, module_ids: Collection[ModuleId]) -> Look:
        """Return the state of modules that callers wait for, and tell the queue that they wait."""
        ended, behind = set[ModuleId](), set[ModuleId]()
        with self._access.asking():
            for step in _cut(module_ids):
                arguments: list[str | int] = [scripts.WAITS_MS, *map(str, step)]
                found = self._look(keys=[scripts.PREFIX], args=arguments)
                ended.update(step[place - 1] for place in found[0])
                behind.update(step[place - 1] for place in found[1])
        return Look(frozenset(ended), frozenset(behind))

    def find_ended(self, module_ids: Collection[ModuleId]) -> frozenset[ModuleId]:
        """Return those of these modules without a queued or running ingest."""
        ended = set[ModuleId]()
        with self._access.asking():
            for step in _cut(module_ids):
                names = list(map(str, step))
                with self._client.pipeline(transaction=True) as pipeline:
                    pipeline.zmscore(scripts.LINE_KEY, names)
                    pipeline.zmscore(scripts.RUNNING_KEY, names)
                    places = zip(step, *pipeline.execute(), strict=True)
                ended.update(m for m, line, running in places if line is None and running is None)
        return frozenset(ended)

    def get_lengths(self) -> dict[Band, int]:
        """Return the number of queued ingests that have not started, by band."""
        with sound_answers():
            return dict(zip(Band, map(int, self.ask(_count_bands)), strict=True))

    def length(self) -> int:
        """Return the number of queued ingests that have not started."""
        return sum(self.get_lengths().values())

    def ask(self, commands: Callable[[Any], object]) -> list[Any]:
        """Call `commands` with a pipeline; return the replies to it, in one round trip."""
        with self._access.asking(), self._client.pipeline(transaction=False) as pipeline:
            commands(pipeline)
            replies: list[Any] = pipeline.execute()
        return replies


def _note_message(span: Span, modules: int, band: Band) -> str:
    """Describe what is queued; return the context of the ingests."""
    span.attributes |= {
        "messaging.system": "redis",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": "ingest",
        "messaging.batch.message_count": modules,
        "symbolon.band": band.label,
    }
    return span.context.traceparent


def _count_bands(pipeline: Any) -> None:
    for band in Band:
        first, behind = band * scripts.BAND_SIZE, (band + 1) * scripts.BAND_SIZE
        pipeline.zcount(scripts.LINE_KEY, first, f"({behind}")


def _cut(module_ids: Collection[ModuleId]) -> Iterator[Sequence[ModuleId]]:
    modules = list(module_ids)
    for at in range(0, len(modules), scripts.MOST_MODULES_A_STEP):
        yield modules[at : at + scripts.MOST_MODULES_A_STEP]


def _steps(
    wanted: Mapping[ModuleId, Collection[int]], asked: Collection[AskedModule]
) -> Iterator[list[str | bytes]]:
    """Yield the arguments for the modules in steps of limited size.

    All texts are ASCII except the names of files, whose characters are counted.
    """
    details = {module.module_id: details_of(module) for module in asked}
    step: list[str | bytes] = []
    size = 0
    for module_id, offsets in wanted.items():
        packed = _pack(sorted(set(offsets))[:MAX_WANTED_OFFSETS])
        more: list[str | bytes] = [str(module_id), packed]
        more += details.get(module_id, _NO_DETAILS)
        more_bytes = sum(map(len, more))
        is_full = len(step) >= len(more) * scripts.MOST_MODULES_A_STEP
        if step and (is_full or size + more_bytes > _MOST_STEP_BYTES):
            yield step
            step, size = [], 0
        step += more
        size += more_bytes
    if step:
        yield step


def _pack(offsets: Sequence[int]) -> bytes:
    return struct.pack(f">{len(offsets)}Q", *offsets)


def unpack_offsets(packed: bytes) -> frozenset[int]:
    """Return wanted offsets; an incomplete one is dropped."""
    count = len(packed) // _OFFSET_BYTES
    return frozenset(struct.unpack(f">{count}Q", packed[: count * _OFFSET_BYTES]))
