"""What a server answers, as plain values that never change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from symbolon.reports import Module


class ModuleOutcome(Enum):
    """What became of one module in a request."""

    UNSPECIFIED = 0
    """An outcome that this client does not know."""
    FOUND = 1
    NOT_REFERENCED = 2
    """No frame names it; from `get_module`: nothing is known of it."""
    MISSING = 3
    """No supplier has its symbol file."""
    UNAVAILABLE = 4
    """A supplier failed; ask again later."""
    MALFORMED = 5
    """Its symbol file cannot be read."""
    PENDING = 6
    """Not ready yet; ask again later."""


class FrameOutcome(Enum):
    """What became of one frame in a request."""

    UNSPECIFIED = 0
    """An outcome that this client does not know."""
    SYMBOLICATED = 1
    NO_SYMBOL = 2
    """The module was found, and nothing in it covers the offset."""
    NO_MODULE = 3
    """The frame is in no known module."""
    MODULE_MISSING = 4
    MODULE_UNAVAILABLE = 5
    MODULE_MALFORMED = 6
    MODULE_PENDING = 7


class Tier(Enum):
    """A place that answers are taken from, nearest first."""

    UNSPECIFIED = 0
    """A tier that this client does not know."""
    FRAMES = 1
    MEMORY = 2
    STORE = 3
    SPOOL = 4


@dataclass(frozen=True, slots=True)
class InlineFrame:
    """A call that the compiler dissolved into its caller."""

    function: str
    file: str | None
    """The source file, without `./` and `directory/../`; `None` when not known."""
    line: int | None
    """The source line, from 1; `None` when not known."""


@dataclass(frozen=True, slots=True)
class SymbolicatedFrame:
    """What is known of one frame."""

    module: str
    """The module's name for people; `<unknown>` for a frame in no module."""
    module_offset: int
    """The offset as it was asked."""
    outcome: FrameOutcome
    function: str | None
    """The function that covers the offset; `None` when not known, `outcome` says why."""
    function_offset: int | None
    """Bytes from the function's start to the offset; `None` without a function."""
    file: str | None
    """The source file of `line`: with `inlines`, of the outermost call; `None`: not known."""
    line: int | None
    """The source line, from 1; `None` when not known."""
    inlines: tuple[InlineFrame, ...]
    """Calls dissolved into this frame, innermost first."""
    is_multiple: bool
    """Whether several functions were folded into this code."""
    function_size: int | None = None
    """Bytes of the function; `None` when not known, as for a public symbol."""


@dataclass(frozen=True, slots=True)
class ModuleResult:
    """What became of one module."""

    outcome: ModuleOutcome
    detail: str
    """One line for a person; empty when there is nothing to add."""
    retry_after_seconds: float | None
    """How long until asking again can help; `None` when it does not help by itself."""
    skipped_records: int
    """Number of bad lines in its symbol file that were skipped."""


@dataclass(frozen=True, slots=True)
class TierLookups:
    """What one tier was asked and had, in one request."""

    tier: Tier
    lookups: int
    hits: int
    bytes: int
    """Size of what it had."""
    seconds: float | None
    """Time spent on it; `None` when not measured."""


@dataclass(frozen=True, slots=True)
class ModuleDiagnostics:
    """Where the answers for one module came from."""

    frames: int
    distinct_frames: int
    pages: int
    generation: str
    """Which generation of its pages answered; empty when none did."""
    is_ingest_requested: bool
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Where an answer came from and how long it took."""

    seconds: float
    waited_seconds: float
    """Part of `seconds` that was spent waiting for modules."""
    is_wait_refused: bool
    """Whether it was answered at once because too many requests were waiting."""
    frames: int
    distinct_frames: int
    tiers: tuple[TierLookups, ...]
    """In the order in which they were asked."""
    ingests: int
    warnings: tuple[str, ...]
    """What could not be looked up and so counted as a miss."""
    modules: tuple[ModuleDiagnostics, ...]
    """One for each module asked, in the same order."""


@dataclass(frozen=True, slots=True)
class Symbolication:
    """The answer to one report."""

    stacks: tuple[tuple[SymbolicatedFrame, ...], ...]
    """One for each stack asked, with one frame for each asked, in the same order."""
    modules: tuple[ModuleResult, ...]
    """One for each module asked, in the same order."""
    diagnostics: Diagnostics | None
    """`None` unless they were asked for."""


@dataclass(frozen=True, slots=True)
class HeldModule:
    """A module whose pages were made."""

    module: Module
    name: str
    os: str
    architecture: str
    generation: str
    pages: int
    stored_bytes: int
    functions: int
    public_symbols: int
    ranges: int
    skipped_records: Mapping[str, int]
    """Number of bad lines of its symbol file, by kind of record."""
    supplier: str
    ingested_at: datetime | None
    """When its ingest ended, in UTC; `None` when not known."""
    ingest_seconds: float
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What is known of one module."""

    outcome: ModuleOutcome
    detail: str
    retry_after_seconds: float | None
    """How long a failure is remembered; `None` when none is."""
    failed_attempts: int
    held: HeldModule | None
    """Its pages and where they came from; `None` when they are not known."""


@dataclass(frozen=True, slots=True)
class MissingModule:
    """A module that was asked for and that no supplier has."""

    module: Module
    requests: int
    """How many requests asked for it since `first_seen`."""
    first_seen: datetime | None
    """In UTC, as far as is remembered; `None` when not known."""
    last_seen: datetime | None
    """In UTC; `None` when not known."""


@dataclass(frozen=True, slots=True)
class MissingModules:
    """The modules that nobody has."""

    modules: tuple[MissingModule, ...]
    """Those asked for most often first, among equals the latest first."""
    total: int
    """How many are remembered, listed here or not."""


@dataclass(frozen=True, slots=True)
class RunningIngest:
    """A module that is being ingested."""

    module: Module
    worker: str
    """`host:process id`; empty when not known."""
    seconds: float | None
    """How long the worker has had it; `None` when not known."""
    attempts: int
    """How many workers have begun with it, this one included."""
    caller: str
    """Whose turn it took: a token's name or an address; empty for nobody in particular."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The modules that wait to be ingested, and those that are being ingested."""

    awaited: int
    """In line, and a call waits for them."""
    wanted: int
    """In line, and no call waits for them, or no longer."""
    prefetches: int
    """In line, to be fetched ahead."""
    longest_wait_seconds: float | None
    """How long the one that has waited longest has been in line; `None` when none is."""
    running: tuple[RunningIngest, ...]
    """Those that take longest first, at most a hundred."""
    total_running: int
    """How many are being ingested, listed here or not."""


@dataclass(frozen=True, slots=True)
class RedisInfo:
    """What a Redis server tells about itself."""

    address: str
    is_reachable: bool
    detail: str
    """Why it cannot be reached; empty when it can."""
    product: str
    version: str
    used_memory_bytes: int
    maxmemory_bytes: int
    """0 when it has no limit."""
    maxmemory_policy: str
    keys: int
    evicted_keys: int
    hits: int
    misses: int
    connected_clients: int
    uptime_seconds: float


@dataclass(frozen=True, slots=True)
class TierInfo:
    """One tier of a server process."""

    tier: Tier
    entries: int
    bytes: int
    max_bytes: int
    """0 when it is turned off."""
    hits: int
    misses: int
    hit_ratio: float
    """From 0 to 1; 0 when nothing was looked up."""


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """The state of the servers behind a server."""

    store: RedisInfo
    cache: RedisInfo
    modules: int
    pages: int
    is_estimated: bool
    """Whether `modules` and `pages` come from a sample of the store's keys."""
    tiers: tuple[TierInfo, ...]
    queued_modules: int
    warnings: tuple[str, ...]
    server_version: str
    server_uptime_seconds: float
