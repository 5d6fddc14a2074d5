"""The queue of ingests on the cache Redis, as a worker sees it."""

import uuid
from dataclasses import dataclass

import redis
from redis.commands.core import Script

from symbolon_server.cache.circuit import Circuit
from symbolon_server.ingest import scripts
from symbolon_server.ingest.cache_access import CacheAccess
from symbolon_server.ingest.jobs import Claim, Freshness, asked_as, module_id_of
from symbolon_server.symbols.module_ids import InvalidModuleIdError
from symbolon_server.telemetry.logs import EventLog

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
        self, client: redis.Redis, lease_seconds: float, circuit: Circuit | None = None
    ) -> None:
        """Use the cache Redis of `client`, whose own time is the time of leases."""
        self._client = client
        self._access = CacheAccess(circuit or Circuit())
        self._lease_ms = round(lease_seconds * 1000)
        self._claim = client.register_script(scripts.CLAIM)
        self._renew = client.register_script(scripts.RENEW)
        self._give_back = client.register_script(scripts.GIVE_BACK)
        self._end = client.register_script(scripts.END)

    def claim(self) -> Claim | NothingToClaim:
        """Take the next job: one whose worker is gone, else an interactive one, else any."""
        while True:
            owner = uuid.uuid4().hex
            with self._access.asking():
                answer = self._claim(keys=scripts.ALL_KEYS, args=[owner, self._lease_ms])
            if isinstance(answer, bytes):
                return NothingToClaim(answer)
            job_id, attempts, wanted, as_of, stale_before, waited_ms, told = answer
            try:
                module_id = module_id_of(job_id.decode())
            except InvalidModuleIdError:
                self._drop(job_id, owner, as_of)
                continue
            return Claim(
                asked_as(module_id, told),
                owner,
                int(attempts),
                frozenset(map(int, wanted)),
                Freshness(int(as_of), int(stale_before)),
                max(0, int(waited_ms)) / 1000,
            )

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
        """Put the job back before all others, as if it had never been claimed."""
        return self._run(self._give_back, claim)

    def end(self, claim: Claim) -> bool:
        """Take the job out of the queue for good and announce that it ended.

        Return False, having done nothing, if its module was invalidated since it was claimed.
        """
        return self._run(self._end, claim, str(claim.module_id), claim.freshness.as_of)

    def _drop(self, job_id: bytes, owner: str, as_of: int) -> None:
        """End a job that somebody else's program put on our queue."""
        _log.warning("foreign_job_dropped", job=job_id.decode(errors="replace"))
        with self._access.asking():
            self._end(keys=scripts.ALL_KEYS, args=[job_id, owner, "", as_of])

    def _run(self, script: Script, claim: Claim, *more: str | int) -> bool:
        with self._access.asking():
            arguments = [claim.job_id, claim.owner, *more]
            return bool(script(keys=scripts.ALL_KEYS, args=arguments))
