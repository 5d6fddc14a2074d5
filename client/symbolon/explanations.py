"""What leads to the answer for one frame, as plain values that never change."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from symbolon.results import (
    HeldModule,
    InlineFrame,
    ModuleResult,
    SymbolicatedFrame,
    Tier,
)


class SymbolKind(Enum):
    """What kind of record a symbol comes from."""

    UNSPECIFIED = 0
    """Nothing covers the range."""
    FUNCTION = 1
    PUBLIC = 2


class PublicSymbolVerdict(Enum):
    """Why a public symbol answers for an offset, or does not."""

    UNSPECIFIED = 0
    """The page that covers the offset is not known."""
    TAKEN = 1
    FUNCTION_COVERS = 2
    """A function covers the offset, which beats any public symbol."""
    FUNCTION_BETWEEN = 3
    """A function starts, and ends, between any public symbol and the offset."""
    NONE_BEFORE = 4
    """No symbol starts at or before the offset."""


class SupplierOutcome(Enum):
    """What became of asking one supplier for a module."""

    UNSPECIFIED = 0
    """An outcome that this client does not know."""
    FOUND = 1
    MISSING = 2
    UNAVAILABLE = 3
    MALFORMED = 4


@dataclass(frozen=True, slots=True)
class ExplainedTier:
    """What one tier knows of the frame."""

    tier: Tier
    has_directory: bool
    generation: str
    """Of its page directory; empty when it has none."""
    has_answer: bool
    bytes: int
    """Size of what answers, as it is held there; 0 when it has none."""
    seconds: float | None
    """Time spent on asking it; `None` when not measured."""
    detail: str


@dataclass(frozen=True, slots=True)
class ExplainedPage:
    """The page that covers the offset."""

    number: int
    key: str
    """Its key in the store."""
    generation: str
    first_offset: int
    end_offset: int | None
    """First offset of the page after it; `None` for the module's last page."""
    tier: Tier
    """The nearest that had it."""
    ranges: int
    """0 when no tier had it."""
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class ExplainedRange:
    """A range of the page, and what it answers."""

    first_offset: int
    end_offset: int | None
    """`None` for the last range of its page."""
    is_hit: bool
    """Whether it covers the offset that was looked up."""
    kind: SymbolKind
    function: str
    function_start: int
    file: str | None
    line: int | None
    inlines: tuple[InlineFrame, ...]
    is_multiple: bool


@dataclass(frozen=True, slots=True)
class DecidingSymbol:
    """The symbol that decided what answers for the offset."""

    kind: SymbolKind
    name: str
    start: int
    end: int | None
    """`None`: it reaches to the end of its page."""


@dataclass(frozen=True, slots=True)
class SupplierAttempt:
    """One supplier asked for the module."""

    supplier: str
    outcome: SupplierOutcome
    detail: str
    seconds: float | None
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class SupplierRound:
    """The last time that suppliers were asked."""

    attempts: tuple[SupplierAttempt, ...]
    ended_at: datetime | None
    """In UTC; `None` when not known."""
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that leads to the answer for one frame."""

    frame: SymbolicatedFrame
    """As it would be answered now without waiting."""
    module: ModuleResult
    looked_up_offset: int
    """A return address less one byte."""
    tiers: tuple[ExplainedTier, ...]
    """Nearest first."""
    held: HeldModule | None
    """`None` when no tier has the module's page directory."""
    page: ExplainedPage | None
    ranges: tuple[ExplainedRange, ...]
    """The range that covers the offset with those around it, ascending."""
    public_symbol_verdict: PublicSymbolVerdict
    deciding_symbol: DecidingSymbol | None
    suppliers: SupplierRound | None
    """`None` when they were not asked lately."""
    failed_attempts: int
    warnings: tuple[str, ...]
    """What could not be looked up."""
