"""The queue of ingests on the cache Redis, as those see it who want modules."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import redis

from symbolon_server.cache.circuit import Circuit
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest import scripts
from symbolon_server.ingest.cache_access import CacheAccess
from symbolon_server.ingest.jobs import Priority, job_fields, job_id_for, new_job, told_of
from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import ModuleId

MAX_QUEUED = 100_000
"""More jobs than workers do in an hour; each takes about a KB of the cache."""

MAX_WANTED_OFFSETS = 2_000
"""More than the pages of a large module; a job is told no more offsets than about these."""

_MODULES_PER_STEP = 100
"""So many modules keep a Redis busy for about a millisecond."""


class QueueFullError(CacheUnavailableError):
    """As many modules wait to be ingested as may; those that were asked for last do not."""


class IngestQueue:
    """Modules to ingest, each at most once, those that somebody waits for first.

    Everything raises `CacheUnavailableError` when the cache does not answer.
    """

    def __init__(
        self, client: redis.Redis, circuit: Circuit | None = None, max_queued: int = MAX_QUEUED
    ) -> None:
        """Use the cache Redis of `client`; `circuit` is shared by all who use it.

        No more than `max_queued` modules of each priority wait at a time.
        """
        self._client = client
        self._max_queued = max_queued
        self._access = CacheAccess(circuit or Circuit())
        self._enqueue = client.register_script(scripts.ENQUEUE)
        self._find_ended = client.register_script(scripts.FIND_ENDED)

    def enqueue(
        self,
        wanted: Mapping[ModuleId, Collection[int]],
        priority: Priority,
        asked: Collection[AskedModule] = (),
    ) -> int:
        """Queue an ingest for each module that has none, and return how many are new.

        `wanted` tells the module offsets that are asked for, so that a full store gets the
        pages that cover them, and `asked` what is known of the modules beside their ids; a job
        keeps what the first callers said. A module that waits as a prefetch overtakes when it
        is wanted interactively. A hundred modules are one round trip. Raises `QueueFullError`
        when there was no room for some of them; the others are queued.
        """
        with self._access.asking():
            answers = [
                self._enqueue(keys=scripts.ALL_KEYS, args=arguments)
                for arguments in self._enqueue_arguments(wanted, priority, asked)
            ]
        if refused := sum(refused for _, refused in answers):
            raise QueueFullError(f"the queue is full: {refused} modules found no place in it")
        return sum(added for added, _ in answers)

    def find_ended(self, module_ids: Collection[ModuleId]) -> frozenset[ModuleId]:
        """Return the modules among these that have no ingest queued or running."""
        by_job_id = {job_id_for(module_id): module_id for module_id in module_ids}
        if not by_job_id:
            return frozenset()
        with self._access.asking():
            ended = self._find_ended(keys=scripts.ALL_KEYS, args=list(by_job_id))
        return frozenset(by_job_id[job_id.decode()] for job_id in ended)

    def get_lengths(self) -> dict[Priority, int]:
        """Return how many ingests are queued and not started, by priority."""
        with self._access.asking(), self._client.pipeline(transaction=False) as pipeline:
            for key in scripts.QUEUE_KEYS:
                pipeline.llen(key)
            return dict(zip(Priority, pipeline.execute(), strict=True))

    def length(self) -> int:
        """Return how many ingests are queued and not started."""
        return sum(self.get_lengths().values())

    def _enqueue_arguments(
        self,
        wanted: Mapping[ModuleId, Collection[int]],
        priority: Priority,
        asked: Collection[AskedModule],
    ) -> Iterator[list[str | bytes | int]]:
        modules = list(wanted.items())
        told = {module.module_id: told_of(module) for module in asked}
        for start in range(0, len(modules), _MODULES_PER_STEP):
            overtakes = int(priority is Priority.INTERACTIVE)
            arguments: list[str | bytes | int] = [overtakes, MAX_WANTED_OFFSETS, self._max_queued]
            for module_id, offsets in modules[start : start + _MODULES_PER_STEP]:
                more = told.get(module_id, {})
                arguments += self._job_arguments(module_id, offsets, priority, more)
            yield arguments

    def _job_arguments(
        self,
        module_id: ModuleId,
        offsets: Collection[int],
        priority: Priority,
        told: Mapping[str, str],
    ) -> Sequence[str | bytes | int]:
        job = new_job(module_id, priority, self._client)
        fields = [part for field in job_fields(job).items() for part in field]
        more = [part for field in told.items() for part in field]
        few = sorted(set(offsets))[:MAX_WANTED_OFFSETS]
        return [job.id, len(fields), *fields, len(more), *more, len(few), *few]
