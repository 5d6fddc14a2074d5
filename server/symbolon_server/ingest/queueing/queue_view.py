"""The queue of ingests as operators see it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import redis

from symbolon_server.cache.invalidation_scripts import LARGEST_NUMBER
from symbolon_server.cache.keyed_cache import CacheAccess
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.jobs import Band, module_id_of
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.symbols.ground.module_ids import ModuleId

MOST_LISTED: Final = 100
"""Maximum of listed running ingests, and of modules per band checked for the longest wait."""

_MOST_CHARACTERS: Final = 255
"""Maximum length of the name of a worker or caller."""


class RunningIngest(NamedTuple):
    """A module that a worker has claimed."""

    module_id: ModuleId
    worker: str
    seconds: float | None
    """Since it was claimed; None if unknown."""

    attempts: int
    caller: str


class QueueOverview(NamedTuple):
    """The queue at one moment."""

    lengths: Mapping[Band, int]
    longest_wait_seconds: float | None
    """Of the first modules of each band; None if nothing is in line."""

    running: Sequence[RunningIngest]
    """At most `MOST_LISTED`, the longest-running first."""

    total_running: int


class QueueView:
    """Reads the state of the queue in one round trip, whatever its length."""

    def __init__(self, client: redis.Redis, circuit: Circuit) -> None:
        """Use the cache Redis of `client`; all its users share `circuit`."""
        self._access = CacheAccess(circuit)
        self._overview = client.register_script(scripts.OVERVIEW)

    def read(self) -> QueueOverview:
        """Return the queue now; raise `CacheUnavailableError`."""
        with self._access.asking():
            now, lengths, queued, running, total = self._overview(
                keys=[scripts.PREFIX], args=[MOST_LISTED]
            )
        waits = [seconds for since in queued if (seconds := _seconds(now, since)) is not None]
        return QueueOverview(
            lengths=dict(zip(Band, lengths, strict=True)),
            longest_wait_seconds=max(waits, default=None),
            running=sorted(_read(now, running), key=lambda one: one.seconds or 0.0, reverse=True),
            total_running=total,
        )


def _read(now: bytes, running: Sequence[Sequence[Any]]) -> Iterator[RunningIngest]:
    for name, (worker, since, attempts, caller) in running:
        module_id = module_id_of(name)
        if module_id is not None:
            seconds = _seconds(now, since)
            yield RunningIngest(module_id, _text(worker), seconds, _count(attempts), _text(caller))


def _seconds(now: bytes, since: bytes | None) -> float | None:
    """Return how long ago a moment was; 0 if the clock was set back since."""
    milliseconds = _number(since)
    return None if milliseconds is None else max(0.0, (int(now) - milliseconds) / 1000)


def _count(value: bytes | None) -> int:
    """Return a number that fits the API's field."""
    return int(min(max(_number(value) or 0, 0), 2**32 - 1))


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < LARGEST_NUMBER else None


def _text(value: bytes | None) -> str:
    text = (value or b"").decode(errors="replace")[:_MOST_CHARACTERS]
    return "".join(character if character.isprintable() else "?" for character in text)
