"""The queue of ingests on the cache Redis, as a worker sees it."""

import uuid
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.core import Script

from symbolon_server.cache.keyed_cache import CacheAccess, sound_answers
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.jobs import Claim, Freshness, asked_as, module_id_of
from symbolon_server.ingest.queueing.queue import unpack_offsets
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import FOREIGN_JOBS

_SHOWN_BYTES = 80
"""Of what is no module id, in the log."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class NothingToClaim:
    """The queue is empty; `bell` names the last job that rang before that was seen."""

    bell: bytes


class ClaimDesk:
    """Where workers take jobs from the queue and bring them to an end.

    A claim holds for `lease_seconds` from its last renewal. After that the job goes to the
    next worker that asks, so a worker that dies keeps its module from nobody for longer.
    Everything raises `CacheUnavailableError` when the cache does not answer.
    """

    def __init__(
        self,
        client: redis.Redis,
        lease_seconds: float,
        circuit: Circuit | None = None,
        worker: str = "",
    ) -> None:
        """Use the cache Redis of `client`, whose own time is the time of leases.

        `worker` is what operators see as the one who has a job.
        """
        self._client = client
        self._access = CacheAccess(circuit or Circuit())
        self._lease_ms = round(lease_seconds * 1000)
        self._worker = worker
        self._claim = client.register_script(scripts.CLAIM)
        self._renew = client.register_script(scripts.RENEW)
        self._give_back = client.register_script(scripts.GIVE_BACK)
        self._end = client.register_script(scripts.END)
        self._remove = client.register_script(scripts.REMOVE)

    def claim(self) -> Claim | NothingToClaim:
        """Take the next job: one whose worker is gone, else the first in line."""
        while True:
            owner = uuid.uuid4().hex
            with self._access.asking():
                arguments: list[str | int] = [owner, self._worker, self._lease_ms]
                answer = self._claim(keys=[scripts.PREFIX], args=arguments)
            if isinstance(answer, list):
                with sound_answers():
                    claim = self._read(owner, *answer)
                if claim is not None:
                    return claim
            elif answer:
                return NothingToClaim(answer)

    def wait(self, nothing: NothingToClaim, seconds: float) -> None:
        """Return when a job may be there that was not when `nothing` was found, or in time.

        Takes nothing from Redis, so that it can be broken off at any moment.
        """
        with self._access.asking():
            self._client.xread(
                {scripts.BELL_KEY: nothing.bell}, block=max(1, round(seconds * 1000))
            )

    def renew(self, claim: Claim) -> bool:
        """Begin the lease anew; return False when another worker has the job by now."""
        return self._run(self._renew, claim, self._lease_ms)

    def give_back(self, claim: Claim) -> bool:
        """Put the job back where it was, as if it had never been claimed."""
        return self._run(self._give_back, claim)

    def end(self, claim: Claim) -> bool:
        """Take the job out of the queue for good and announce that it ended.

        Return False, having done nothing, if its module was invalidated since it was claimed.
        """
        return self._run(self._end, claim, claim.freshness.as_of)

    def _read(self, owner: str, name: bytes, *described: Any) -> Claim | None:
        """Return the job, None where somebody else's program put it on our queue."""
        attempts, wanted, as_of, stale_before, waited_ms, told = described
        module_id = module_id_of(name)
        if module_id is None:
            self._drop(name)
            return None
        return Claim(
            asked_as(module_id, told),
            owner,
            int(attempts),
            unpack_offsets(wanted),
            Freshness(int(as_of), int(stale_before)),
            max(0, int(waited_ms)) / 1000,
        )

    def _drop(self, name: bytes) -> None:
        """Take what is no module id out of the queue."""
        FOREIGN_JOBS.inc()
        _log.warning("foreign_job_dropped", job=repr(name[:_SHOWN_BYTES]))
        with self._access.asking():
            self._remove(keys=[scripts.PREFIX], args=[name])

    def _run(self, script: Script, claim: Claim, *more: str | int) -> bool:
        with self._access.asking():
            arguments = [str(claim.module_id), claim.owner, *more]
            return bool(script(keys=[scripts.PREFIX], args=arguments))
