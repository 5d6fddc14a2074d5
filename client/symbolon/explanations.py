"""What led to the answer for one frame, as immutable values."""

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
    """The kind of record that a symbol comes from."""

    UNSPECIFIED = 0
    """No symbol covers the range."""
    FUNCTION = 1
    PUBLIC = 2


class PublicSymbolVerdict(Enum):
    """Why a public symbol is the answer for an offset, or is not."""

    UNSPECIFIED = 0
    """The page that covers the offset is not known."""
    TAKEN = 1
    FUNCTION_COVERS = 2
    """A function covers the offset, and takes precedence over public symbols."""
    FUNCTION_BETWEEN = 3
    """A function lies between the last public symbol and the offset."""
    NONE_BEFORE = 4
    """No symbol starts at or before the offset."""


class SupplierOutcome(Enum):
    """The result of requesting a module from one supplier."""

    UNSPECIFIED = 0
    """An outcome that this client does not know."""
    FOUND = 1
    MISSING = 2
    UNAVAILABLE = 3
    MALFORMED = 4


@dataclass(frozen=True, slots=True)
class ExplainedTier:
    """What one tier has for the frame."""

    tier: Tier
    has_directory: bool
    generation: str
    """Of its page directory; empty if it has none."""
    has_answer: bool
    bytes: int
    """Size of the answer as stored there; 0 if it has none."""
    seconds: float | None
    """Time spent on the lookup; `None` if not measured."""
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
    """First offset of the next page; `None` for the module's last page."""
    tier: Tier
    """The first tier that had it."""
    ranges: int
    """0 if no tier had it."""
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class ExplainedRange:
    """A range of the page, and its answer."""

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
    linkage_name: str | None = None
    """As in `SymbolicatedFrame`."""


@dataclass(frozen=True, slots=True)
class DecidingSymbol:
    """The symbol that decided the answer for the offset."""

    kind: SymbolKind
    name: str
    start: int
    end: int | None
    """`None`: it extends to the end of its page."""
    linkage_name: str | None = None
    """Its name as it stands in the file; `None` unless requested."""


@dataclass(frozen=True, slots=True)
class SupplierAttempt:
    """One request to one supplier for one file."""

    supplier: str
    outcome: SupplierOutcome
    detail: str
    seconds: float | None
    fetched_bytes: int
    path: str
    """The path of the file below the supplier; empty if nothing was requested."""


@dataclass(frozen=True, slots=True)
class SupplierRound:
    """The last round of requests to suppliers."""

    attempts: tuple[SupplierAttempt, ...]
    ended_at: datetime | None
    """In UTC; `None` if not known."""
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that led to the answer for one frame."""

    frame: SymbolicatedFrame
    """The answer as of now, without waiting."""
    module: ModuleResult
    looked_up_offset: int
    """The offset, less one for a return address."""
    tiers: tuple[ExplainedTier, ...]
    """In lookup order."""
    held: HeldModule | None
    """`None` if no tier has the module's page directory."""
    page: ExplainedPage | None
    ranges: tuple[ExplainedRange, ...]
    """The range that covers the offset and its neighbours, ascending."""
    public_symbol_verdict: PublicSymbolVerdict
    deciding_symbol: DecidingSymbol | None
    suppliers: SupplierRound | None
    """`None` if none were requested lately."""
    failed_attempts: int
    warnings: tuple[str, ...]
    """What could not be looked up."""
