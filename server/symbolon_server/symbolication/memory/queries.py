"""The values that a request consists of, its caller, and the values that answer it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import DEBUG_ID_FORM, ModuleId
from symbolon_server.symbols.ground.pages import ModuleFacts

T = TypeVar("T")

NO_MODULE: Final = -1
"""The module index of a frame that is in no known module."""


class ModuleOutcome(IntEnum):
    """The outcome of one module; the numbers are those of the API."""

    FOUND = 1
    NOT_REFERENCED = 2
    MISSING = 3
    UNAVAILABLE = 4
    MALFORMED = 5
    PENDING = 6


class FrameOutcome(IntEnum):
    """The outcome of one frame; the numbers are those of the API."""

    SYMBOLICATED = 1
    NO_SYMBOL = 2
    NO_MODULE = 3
    MODULE_MISSING = 4
    MODULE_UNAVAILABLE = 5
    MODULE_MALFORMED = 6
    MODULE_PENDING = 7


class TierName(IntEnum):
    """A place that answers are read from, the fastest first; the numbers are those of the API."""

    FRAMES = 1
    MEMORY = 2
    STORE = 3
    SPOOL = 4


class ModuleQuery(NamedTuple):
    """A module as it was requested."""

    debug_file: str
    """The debug file, or the file name that replaces it."""

    module_id: ModuleId | None
    """None without a debug file or a debug id: such a module is missing."""

    code_file: str = ""
    code_id: str = ""
    lacks_age: bool = False
    """As in `AskedModule`, like the two above."""

    @property
    def with_linkage_names(self) -> "ModuleQuery":
        """The variant of the module that has linkage names."""
        if self.module_id is None:
            return self
        return self._replace(module_id=self.module_id.with_linkage_names)

    @property
    def asked(self) -> AskedModule | None:
        """The module to look up; None if it is missing without any lookup."""
        if self.module_id is None:
            return None
        return AskedModule(self.module_id, self.code_file, self.code_id, self.lacks_age)


class InvalidFrameError(ValueError):
    """A frame that cannot be decoded, or whose module index is out of range."""


MAX_ANSWER_BYTES = 1 << 30
"""Of all frames of one answer. A frame takes some 80 to 2,000 bytes, inline frames included; gRPC
truncates an answer of more than 4 GiB without an error."""


class AnswerTooLargeError(ValueError):
    """The answer would be larger than `MAX_ANSWER_BYTES`."""

    def __init__(self, least_bytes: int, limit: int) -> None:
        """Report the size that was reached when it exceeded `limit`."""
        super().__init__(
            f"would be answered with at least {least_bytes} bytes, the limit is {limit}: "
            "ask for fewer frames"
        )


class FrameQuery(NamedTuple):
    """A requested frame, decoded."""

    module_index: int
    """Index into the modules of the request, or `NO_MODULE`."""

    module_offset: int
    is_return_address: bool


IsGone = Callable[[], bool]
"""Returns whether the caller is gone; takes a microsecond at most, and never changes back."""

STEP: Final = 1_024
"""Frames between two checks: a few milliseconds of work."""


class CallerGoneError(Exception):
    """The answer is not needed any more."""


def is_never_gone() -> bool:
    """Return False: the caller waits for the answer, however long it takes."""
    return False


def _find_no_name() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a call."""

    find_name: Callable[[], str] = _find_no_name
    """Returns a name to share the queue fairly between callers, or an empty string. It is called
    only if an ingest is queued: it has to look at the tokens."""

    is_gone: IsGone = is_never_gone


ANYBODY: Final = Caller()


def refuse_gone(is_gone: IsGone) -> None:
    """Raise `CallerGoneError` if the caller is gone."""
    if is_gone():
        raise CallerGoneError


def in_steps(items: Sequence[T], is_gone: IsGone) -> Iterator[Sequence[T]]:
    """Yield `items`, `STEP` at a time; raise `CallerGoneError` once the caller is gone."""
    for start in range(0, len(items), STEP):
        refuse_gone(is_gone)
        yield items[start : start + STEP]


class ModuleResult(NamedTuple):
    """The result of one module."""

    outcome: ModuleOutcome
    detail: str = ""
    """One line for people to read."""

    retry_after_seconds: float | None = None
    """When a retry can lead to another outcome; None if it cannot."""

    skipped_records: int = 0


def found_result(facts: ModuleFacts) -> ModuleResult:
    """Return the result of a module whose pages are known."""
    skipped = sum(facts.skipped_records.values())
    return ModuleResult(ModuleOutcome.FOUND, facts.detail, skipped_records=skipped)


NO_MODULE_ID: Final = ModuleResult(
    ModuleOutcome.MISSING,
    f"it has no debug file or code file, or no code id and no debug id of {DEBUG_ID_FORM}",
)
"""The result of a module without an id."""


@dataclass(slots=True)
class TierCounts:
    """The lookups of one call in one tier."""

    lookups: int = 0
    hits: int = 0
    stored_bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class ModuleCounts:
    """Where the answers for one module came from during one call."""

    frames: int = 0
    distinct_frames: int = 0
    pages: int = 0
    generation: str = ""
    is_ingest_requested: bool = False
    waited_seconds: float | None = None


@dataclass(slots=True)
class Diagnostics:
    """What one call cost; belongs to the call's thread."""

    frames: int = 0
    seconds: float = 0.0
    waited_seconds: float | None = None
    is_wait_refused: bool = False
    ingests: int = 0
    warnings: list[str] = field(default_factory=list)
    outcomes: Mapping[int, int] = field(default_factory=dict)
    """The number of new frames by `FrameOutcome`."""

    tiers: dict[TierName, TierCounts] = field(default_factory=dict)
    modules: list[ModuleCounts] = field(default_factory=list)

    def count_frames(self, frames: int, missed: int) -> None:
        """Count the requested frames, and those of them that were not remembered."""
        self.frames = frames
        counts = self.tier(TierName.FRAMES)
        counts.lookups, counts.hits = frames, frames - missed

    def count_memory(self, found: Sequence[object | None]) -> None:
        """Count lookups in memory, of which those that found None missed."""
        counts = self.tier(TierName.MEMORY)
        counts.lookups += len(found)
        counts.hits += len(found) - found.count(None)

    @property
    def distinct_frames(self) -> int:
        """Distinct frames, if they were counted by module."""
        return sum(module.distinct_frames for module in self.modules)

    def tier(self, name: TierName) -> TierCounts:
        """Return the counts of a tier, which then counts as queried."""
        return self.tiers.setdefault(name, TierCounts())


class EncodedStacks(NamedTuple):
    """All fields `stacks` of a response, encoded, but not yet joined."""

    length: int
    """Bytes of all frames together."""

    pieces: Sequence[bytes]
    """In the order of the request: the start of each stack, then its frames, each a field of it."""


@dataclass(frozen=True, slots=True)
class Symbolication:
    """The answer to one request."""

    stacks: EncodedStacks
    results: Mapping[int, ModuleResult]
    """The results of the modules that frames name, by module index."""

    modules: int
    """The number of modules in the request; those without a result were not referenced."""

    diagnostics: Diagnostics

    is_recalled: bool = False
    """All frames were remembered, so that all modules with a result are FOUND."""
