"""What a job is: one module to ingest, named after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId


class Band(IntEnum):
    """Where in the line a job waits: all of one band go before all of the next."""

    AWAITED = 0
    """Somebody waits for an answer."""

    WANTED = 1
    """Somebody asked, and does not wait, or no longer."""

    PREFETCH = 2
    """Nobody has asked yet."""

    @property
    def label(self) -> str:
        """The band's name in metrics and answers."""
        return self.name.lower()


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


def module_id_of(name: bytes) -> ModuleId | None:
    """Return the module that a job is for, None where `name` is not its very id."""
    try:
        module_id = ModuleId.from_text(name.decode())
    except (UnicodeDecodeError, InvalidModuleIdError):
        return None
    return module_id if str(module_id).encode() == name else None


def told_of(asked: AskedModule) -> tuple[str, ...]:
    """Return the values of `TOLD_FIELDS` for a module; empty where nothing was told."""
    return asked.code_file, asked.code_id, "1" if asked.lacks_age else ""


def asked_as(module_id: ModuleId, told: Sequence[bytes | None]) -> AskedModule:
    """Return what `told_of` was given; whoever can write to the queue can have written anything."""
    code_file, code_id, lacks_age = ((value or b"").decode(errors="replace") for value in told)
    return AskedModule.of(module_id, code_file, code_id, lacks_age=bool(lacks_age))
