"""What a request asks and what it is answered, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import DEBUG_ID_FORM, ModuleId

NO_MODULE: Final = -1
"""The module index of a frame that is in no known module."""


class ModuleOutcome(IntEnum):
    """What became of one module; the numbers are those of the API."""

    FOUND = 1
    NOT_REFERENCED = 2
    MISSING = 3
    UNAVAILABLE = 4
    MALFORMED = 5
    PENDING = 6


class FrameOutcome(IntEnum):
    """What became of one frame; the numbers are those of the API."""

    SYMBOLICATED = 1
    NO_SYMBOL = 2
    NO_MODULE = 3
    MODULE_MISSING = 4
    MODULE_UNAVAILABLE = 5
    MODULE_MALFORMED = 6
    MODULE_PENDING = 7


class TierName(IntEnum):
    """A place that answers are taken from, nearest first; the numbers are those of the API."""

    FRAMES = 1
    MEMORY = 2
    STORE = 3
    SPOOL = 4


class ModuleQuery(NamedTuple):
    """A module as it was asked for."""

    debug_file: str
    """The debug file, or what stands in for it."""

    module_id: ModuleId | None
    """None where there is no debug file or no debug id: such a module is missing."""

    code_file: str = ""
    code_id: str = ""
    lacks_age: bool = False
    """These as in `AskedModule`."""

    @property
    def asked(self) -> AskedModule | None:
        """What is to be asked for; None where the module is missing without any lookup."""
        if self.module_id is None:
            return None
        return AskedModule(self.module_id, self.code_file, self.code_id, self.lacks_age)


class InvalidFrameError(ValueError):
    """A frame that cannot be decoded, or whose module index is out of range."""


MAX_ANSWER_BYTES = 1 << 30
"""Of all frames of one answer. A frame takes some 80 to 2,000 bytes, inline frames included; gRPC
sends an answer of more than 4 GiB cut, without a word."""


class AnswerTooLargeError(ValueError):
    """The answer would be larger than `MAX_ANSWER_BYTES`."""

    def __init__(self, least_bytes: int, limit: int) -> None:
        """Say how large it would be at least: as much as was found until it was too much."""
        super().__init__(
            f"would be answered with at least {least_bytes} bytes, the limit is {limit}: "
            "ask for fewer frames"
        )


class FrameQuery(NamedTuple):
    """A frame as it was asked for, decoded."""

    module_index: int
    """Place in the modules asked for, or `NO_MODULE`."""

    module_offset: int
    is_return_address: bool


class ModuleResult(NamedTuple):
    """What became of one module."""

    outcome: ModuleOutcome
    detail: str = ""
    """One line for a person."""

    retry_after_seconds: float | None = None
    """When asking again can lead to another outcome; None where it does not help by itself."""

    skipped_records: int = 0


NO_MODULE_ID: Final = ModuleResult(
    ModuleOutcome.MISSING, f"it has no debug file or code file, or no debug id of {DEBUG_ID_FORM}"
)
"""What becomes of a module that nobody can be asked for."""


@dataclass(slots=True)
class TierCounts:
    """What one tier was asked and had during one call."""

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
    """What one call cost; it belongs to the call's thread alone."""

    frames: int = 0
    seconds: float = 0.0
    waited_seconds: float | None = None
    is_wait_refused: bool = False
    ingests: int = 0
    warnings: list[str] = field(default_factory=list)
    outcomes: Mapping[int, int] = field(default_factory=dict)
    """How many of the frames that were not remembered had each `FrameOutcome`."""

    tiers: dict[TierName, TierCounts] = field(default_factory=dict)
    modules: list[ModuleCounts] = field(default_factory=list)

    def count_frames(self, frames: int, missed: int) -> None:
        """Count the frames asked for, and those whose answers were not remembered."""
        self.frames = frames
        counts = self.tier(TierName.FRAMES)
        counts.lookups, counts.hits = frames, frames - missed

    @property
    def distinct_frames(self) -> int:
        """Different pairs of module and offset, where single modules were counted."""
        return sum(module.distinct_frames for module in self.modules)

    def tier(self, name: TierName) -> TierCounts:
        """Return the counts of a tier, which is then known to have been asked."""
        return self.tiers.setdefault(name, TierCounts())


class EncodedStacks(NamedTuple):
    """All fields `stacks` of a response, encoded but for being joined."""

    length: int
    """Bytes of all frames together."""

    pieces: Sequence[bytes]
    """In the order asked: what each stack begins with, then its frames, each a field of it."""


@dataclass(frozen=True, slots=True)
class Symbolication:
    """The answer to one request."""

    stacks: EncodedStacks
    results: Mapping[int, ModuleResult]
    """What became of the modules that frames name, by module index."""

    modules: int
    """How many modules were asked for; those without a result were not referenced."""

    diagnostics: Diagnostics

    is_recalled: bool = False
    """All frames were remembered, so that all modules with a result are found."""
