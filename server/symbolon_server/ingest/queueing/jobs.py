"""A job: one module to ingest, identified by its module id."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId
from symbolon_server.telemetry.tracing.contexts import SpanContext


class Band(IntEnum):
    """The priority of a job in the line: all jobs of one band come before all of the next."""

    AWAITED = 0
    """A caller is waiting for it."""

    WANTED = 1
    """A caller requested it, but does not wait, or no longer."""

    PREFETCH = 2
    """No caller has requested it yet."""

    @property
    def label(self) -> str:
        """The band's name in metrics and answers."""
        return self.name.lower()


DETAIL_FIELDS: Final = ("code_file", "code_id", "lacks_age")
"""The fields of a job's hash with what callers sent about its module besides its id."""


class Freshness(NamedTuple):
    """What had been invalidated when a job was claimed; see `cache/invalidations.py`."""

    as_of: int = 0
    """Number of the last invalidation of any module; 0 if there was none."""

    stale_before: int = 0
    """What is stored for the job's module as of an earlier invalidation than this is stale."""


NOTHING_STALE: Final = Freshness()


class Claim(NamedTuple):
    """A job that a worker has taken from the queue, for as long as it renews its lease."""

    asked: AskedModule
    owner: str
    """Identifies this claim, not only the worker: a job whose lease lapsed, claimed again by the
    same worker, is another claim."""

    attempts: int
    """Number of claims of the job, including this one. Above the maximum, all earlier workers died
    with it, and it must not be tried again."""

    wanted: frozenset[int]
    """The module offsets that callers have requested so far; empty for a prefetch."""

    freshness: Freshness = NOTHING_STALE
    """What had been invalidated when it was claimed."""

    waited_seconds: float = 0.0
    """Since it was queued; 0 if the clock was set back meanwhile."""

    trace: SpanContext | None = None
    """The span of the first traced call that queued it, or None."""

    @property
    def module_id(self) -> ModuleId:
        """The module to ingest."""
        return self.asked.module_id


def module_id_of(name: bytes) -> ModuleId | None:
    """Return the module of a job, or None if `name` is not exactly a module id."""
    try:
        module_id = ModuleId.from_text(name.decode())
    except (UnicodeDecodeError, InvalidModuleIdError):
        return None
    return module_id if str(module_id).encode() == name else None


def details_of(asked: AskedModule) -> tuple[str, ...]:
    """Return the values of `DETAIL_FIELDS` for a module; empty where callers sent nothing."""
    return asked.code_file, asked.code_id, "1" if asked.lacks_age else ""


def with_details(module_id: ModuleId, details: Sequence[bytes | None]) -> AskedModule:
    """Return the inverse of `details_of`; `details` may be anything from the queue."""
    code_file, code_id, lacks_age = ((value or b"").decode(errors="replace") for value in details)
    return AskedModule.of(module_id, code_file, code_id, lacks_age=bool(lacks_age))
