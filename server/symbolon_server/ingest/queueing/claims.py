"""The queue of ingests in the cache Redis, as workers see it."""

import uuid
from contextlib import suppress
from itertools import chain
from typing import Any, Final, NamedTuple

import redis
from redis.commands.core import Script

from symbolon_server.cache.keyed_cache import CacheAccess, sound_answers
from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.jobs import Claim, Freshness, module_id_of, with_details
from symbolon_server.ingest.queueing.queue import unpack_offsets
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import FOREIGN_JOBS
from symbolon_server.telemetry.tracing.contexts import read_context

_SHOWN_BYTES = 80
"""Of an invalid module id, in the log."""

_EARLIER_KEYS: Final = (
    *("rq:queues", "rq:queue:interactive", "rq:queue:prefetch", "rq:workers"),
    *("ingest:running", "ingest:bell"),
)
_EARLIER_PATTERNS: Final = ("rq:job:*", "ingest:wanted:*")
"""The queue of an earlier version, whose keys had no version in their names."""

_KEYS_A_STEP: Final = 1_000

PATIENCE_SECONDS: Final = 5.0
"""How long ago a worker of the host whose spool has a module must have claimed for its job to wait
for that host: longer than an idle worker waits for a job."""

_log = EventLog(__name__)


class NothingToClaim(NamedTuple):
    """The queue is empty; `bell` is the last entry of the bell before that was seen."""

    bell: bytes


class ClaimDesk:
    """Where workers claim jobs and end them.

    A claim lasts for `lease_seconds` after its last renewal. Then the job goes to the next worker,
    so a worker that dies does not block its module for longer. All methods raise
    `CacheUnavailableError` when the cache does not answer.
    """

    def __init__(
        self,
        client: redis.Redis,
        lease_seconds: float,
        circuit: Circuit | None = None,
        worker: str = "",
        *,
        spool: int = 0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Use the cache Redis of `client`; leases are measured by the clock of that Redis.

        `worker` is the name that operators see for the owner of a job, `spool` the number of its
        spool, 0 for none. Jobs whose modules another host has in its spool are left to that host
        until it has claimed nothing for `patience_seconds`.
        """
        self._client = client
        self._access = CacheAccess(circuit or Circuit())
        self._lease_ms = round(lease_seconds * 1000)
        self._worker = worker
        self._spool = spool
        self._patience_ms = round(patience_seconds * 1000)
        self._claim = client.register_script(scripts.CLAIM)
        self._renew = client.register_script(scripts.RENEW)
        self._give_back = client.register_script(scripts.GIVE_BACK)
        self._end = client.register_script(scripts.END)
        self._remove = client.register_script(scripts.REMOVE)

    def claim(self) -> Claim | NothingToClaim:
        """Claim the next job: one whose lease has lapsed, one for our spool, or the first in line.

        Jobs for the spools of other hosts are handed on to them.
        """
        while True:
            owner = uuid.uuid4().hex
            with self._access.asking():
                arguments: list[str | int] = [owner, self._worker, self._lease_ms]
                arguments += [self._spool, self._patience_ms]
                answer = self._claim(keys=[scripts.PREFIX], args=arguments)
            if isinstance(answer, list):
                with sound_answers():
                    claim = self._read(owner, *answer)
                if claim is not None:
                    return claim
            elif answer:
                return NothingToClaim(answer)

    def wait(self, nothing: NothingToClaim, seconds: float) -> None:
        """Wait until a job may have been added after `nothing` was found, but not for longer.

        This takes nothing from Redis, so it can be interrupted at any moment.
        """
        with self._access.asking():
            self._client.xread(
                {scripts.BELL_KEY: nothing.bell}, block=max(1, round(seconds * 1000))
            )

    def renew(self, claim: Claim) -> bool:
        """Renew the lease; return False if another worker has the job by now."""
        return self._run(self._renew, claim, self._lease_ms)

    def give_back(self, claim: Claim) -> bool:
        """Put the job back into its place in the line, as if it had never been claimed."""
        return self._run(self._give_back, claim)

    def end(self, claim: Claim, *, is_spooled: bool = False) -> bool:
        """Remove the job from the queue and announce its end.

        `is_spooled` says that our spool has the module: its next job comes here. Return False and
        do nothing if the module was invalidated since the claim.
        """
        spool = self._spool if is_spooled else 0
        return self._run(self._end, claim, claim.freshness.as_of, spool)

    def _read(self, owner: str, name: bytes, *described: Any) -> Claim | None:
        """Return the job, or None if another program put it on the queue."""
        attempts, wanted, as_of, stale_before, waited_ms, details, trace = described
        module_id = module_id_of(name)
        if module_id is None:
            self._drop(name)
            return None
        return Claim(
            with_details(module_id, details),
            owner,
            int(attempts),
            unpack_offsets(wanted),
            Freshness(int(as_of), int(stale_before)),
            max(0, int(waited_ms)) / 1000,
            read_context(trace.decode(errors="replace")) if trace else None,
        )

    def _drop(self, name: bytes) -> None:
        """Remove an invalid module id from the queue."""
        FOREIGN_JOBS.inc()
        _log.warning("foreign_job_dropped", job=repr(name[:_SHOWN_BYTES]))
        with self._access.asking():
            self._remove(keys=[scripts.PREFIX], args=[name])

    def _run(self, script: Script, claim: Claim, *more: str | int) -> bool:
        with self._access.asking():
            arguments = [str(claim.module_id), claim.owner, *more]
            return bool(script(keys=[scripts.PREFIX], args=arguments))


def expire_earlier_queue(client: redis.Redis) -> None:
    """Let the keys of an earlier version's queue expire after a week.

    Until then the earlier version can be restored. Errors of the cache are ignored, as these keys
    are not used any more.
    """
    with suppress(redis.RedisError):
        if not client.exists(*_EARLIER_KEYS):
            return
        found = chain.from_iterable(
            client.scan_iter(match=pattern, count=_KEYS_A_STEP) for pattern in _EARLIER_PATTERNS
        )
        for key in chain(_EARLIER_KEYS, found):
            if client.ttl(key) == -1:
                client.expire(key, scripts.KEPT_SECONDS)
