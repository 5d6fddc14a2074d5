"""An explanation: everything that led to the answer for one frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from symbolon_server.cache.module_memory import SupplierRound
from symbolon_server.symbolication.memory.queries import ModuleResult, TierName
from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.ground.pages import PageDirectory, PageKey


class Verdict(IntEnum):
    """Why a public symbol answers, or why not; the numbers are those of the API."""

    UNKNOWN = 0
    TAKEN = 1
    FUNCTION_COVERS = 2
    FUNCTION_BETWEEN = 3
    NONE_BEFORE = 4


@dataclass(slots=True)
class ExplainedTier:
    """What one tier has of the frame."""

    name: TierName
    directory: PageDirectory | None = None
    has_answer: bool = False
    stored_bytes: int = 0
    seconds: float = 0.0
    detail: str = ""
    """One line for people to read."""


@dataclass(frozen=True, slots=True)
class ExplainedRange:
    """A range of a page."""

    first_offset: int
    end_offset: int | None
    """None for the last range of its page."""

    is_hit: bool
    answer: Answer | None
    """None for a gap."""


class ExplainedPage(NamedTuple):
    """The page that covers the offset."""

    key: PageKey
    first_offset: int
    end_offset: int | None
    """None for the last page of its module."""

    tier: TierName | None
    """The fastest tier that had it, or None."""

    ranges: int
    stored_bytes: int
    """0 if it was in memory."""


@dataclass(frozen=True, slots=True)
class DecidingSymbol:
    """The symbol that covers the offset, or else the last one before it."""

    answer: Answer
    end: int | None
    """None if it reaches to the end of its page."""


class Findings(NamedTuple):
    """What the pages say about an offset."""

    page: ExplainedPage | None = None
    ranges: Sequence[ExplainedRange] = ()
    verdict: Verdict = Verdict.UNKNOWN
    deciding: DecidingSymbol | None = None


class Explanation(NamedTuple):
    """Everything that led to the answer for one frame."""

    frame: bytes
    """The encoded frame, as a field of its stack."""

    result: ModuleResult
    looked_up: int
    tiers: Sequence[ExplainedTier]
    directory: PageDirectory | None
    findings: Findings
    suppliers: SupplierRound | None
    failed_attempts: int
    warnings: Sequence[str]
