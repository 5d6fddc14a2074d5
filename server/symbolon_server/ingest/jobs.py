"""What a job is: one module to ingest, named after it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final, NamedTuple

import redis
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import ModuleId

JOB_FUNCTION = "symbolon.ingest"
"""What `rq info` shows as a job's function. Only a label: our workers ingest the module that a
job names and never call what it says, so that who can write to the queue cannot run code."""

JOB_SERIALIZER = JSONSerializer
"""Never pickle: reading a job must not run what somebody wrote into the queue."""

_TO_QUOTE = re.compile(rb"[^0-9A-Za-z-]")
_QUOTED = re.compile(rb"_([0-9A-F]{2})")


class Priority(Enum):
    """Which queue a job waits in; the value is the queue's name in RQ."""

    INTERACTIVE = "interactive"
    """Somebody is waiting for an answer."""

    PREFETCH = "prefetch"
    """Only taken while nobody waits."""


TOLD_FIELDS: Final = ("code_file", "code_id", "lacks_age")
"""The fields of a job's hash with what callers told of its module beside its id; see `told_of`."""


class Freshness(NamedTuple):
    """What had been invalidated when a job was claimed; see `cache/invalidations.py`."""

    as_of: int = 0
    """Number of the last invalidation of any module; 0: there was none."""

    stale_before: int = 0
    """What was made of the job's module as of an earlier one than this is stale."""


NOTHING_STALE: Final = Freshness()


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that one worker has taken from the queue, for as long as it renews its lease."""

    asked: AskedModule
    owner: str
    """Names this claim, not only the worker: a job that lapsed and was taken again by the
    same worker is another claim."""

    attempts: int
    """How many claims of the job there were, with this one. More than the most allowed means
    that each worker before died with it, and that it is not to be tried again."""

    wanted: frozenset[int]
    """The module offsets that callers have asked for so far; empty for a prefetch."""

    freshness: Freshness = NOTHING_STALE
    """What had been invalidated when it was claimed."""

    waited_seconds: float = 0.0
    """From when it was queued; 0 where the time of day was set back meanwhile."""

    @property
    def module_id(self) -> ModuleId:
        """The module to ingest."""
        return self.asked.module_id

    @property
    def job_id(self) -> str:
        """The id of the claimed job."""
        return job_id_for(self.module_id)


def job_id_for(module_id: ModuleId) -> str:
    """Return the one job id of a module: `xul_2Epdb_2F44E4…` for `xul.pdb/44E4…`.

    RQ allows letters, digits, dashes and underscores. Every other byte of the module id in
    UTF-8, and the underscore, is an underscore and two hex digits. So an operator can read it,
    and two modules never share one.
    """
    text = str(module_id).encode()
    return _TO_QUOTE.sub(lambda found: b"_%02X" % found[0][0], text).decode("ascii")


def module_id_of(job_id: str) -> ModuleId:
    """Return the module that a job id names; raise `InvalidModuleIdError`."""
    text = _QUOTED.sub(lambda found: bytes([int(found[1], 16)]), job_id.encode())
    return ModuleId.from_text(text.decode(errors="replace"))


def new_job(module_id: ModuleId, priority: Priority, client: redis.Redis) -> Job:
    """Return a job as RQ knows it, not yet on a queue."""
    text = str(module_id)
    job = Job.create(
        JOB_FUNCTION,
        args=[text],
        connection=client,
        id=job_id_for(module_id),
        origin=priority.value,
        description=text,
        status=JobStatus.QUEUED,
        serializer=JOB_SERIALIZER,
    )
    job.enqueued_at = datetime.now(UTC)
    return job


def job_fields(job: Job) -> Mapping[str, str | bytes]:
    """Return the fields of a job's hash in Redis, without the empty ones."""
    fields = job.to_dict(include_meta=False, include_result=False)
    return {name: _field(value) for name, value in fields.items() if value not in ("", None)}


def told_of(asked: AskedModule) -> Mapping[str, str]:
    """Return the fields of a job's hash for what is known of its module beside its id."""
    values = (asked.code_file, asked.code_id, "1" if asked.lacks_age else "")
    return {name: value for name, value in zip(TOLD_FIELDS, values, strict=True) if value}


def asked_as(module_id: ModuleId, told: Sequence[bytes | None]) -> AskedModule:
    """Return what `told_of` was given; whoever can write to the queue can have written anything."""
    code_file, code_id, lacks_age = ((value or b"").decode(errors="replace") for value in told)
    return AskedModule.of(module_id, code_file, code_id, lacks_age=bool(lacks_age))


def _field(value: object) -> str | bytes:
    return value if isinstance(value, bytes) else str(getattr(value, "value", value))
