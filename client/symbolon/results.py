"""The answers of a server, as immutable values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from symbolon.reports import Module


class ModuleOutcome(Enum):
    """The outcome for one module of a request."""

    UNSPECIFIED = 0
    """An outcome that this client does not know."""
    FOUND = 1
    NOT_REFERENCED = 2
    """No frame refers to it; from `get_module`: nothing is known of it."""
    MISSING = 3
    """No supplier has a file with its symbols."""
    UNAVAILABLE = 4
    """A supplier failed; retry later."""
    MALFORMED = 5
    """Its file cannot be read."""
    PENDING = 6
    """Not ready yet; retry later."""


class FrameOutcome(Enum):
    """The outcome for one frame of a request."""

    UNSPECIFIED = 0
    """An outcome that this client does not know."""
    SYMBOLICATED = 1
    NO_SYMBOL = 2
    """The module was found, but no symbol covers the offset."""
    NO_MODULE = 3
    """The frame is in no known module."""
    MODULE_MISSING = 4
    MODULE_UNAVAILABLE = 5
    MODULE_MALFORMED = 6
    MODULE_PENDING = 7


class Tier(Enum):
    """A place that answers come from, in lookup order."""

    UNSPECIFIED = 0
    """A tier that this client does not know."""
    FRAMES = 1
    MEMORY = 2
    STORE = 3
    SPOOL = 4


@dataclass(frozen=True, slots=True)
class InlineFrame:
    """A call that the compiler inlined into its caller."""

    function: str
    file: str | None
    """The source file, without `./` and `directory/../`; `None` if not known."""
    line: int | None
    """The source line, from 1; `None` if not known."""
    linkage_name: str | None = None
    """The function's name as it stands in the file; `None` unless requested."""


@dataclass(frozen=True, slots=True)
class SymbolicatedFrame:
    """One symbolicated frame."""

    module: str
    """The module's display name; `<unknown>` for a frame in no module."""
    module_offset: int
    """The offset as requested."""
    outcome: FrameOutcome
    function: str | None
    """The function that covers the offset; `None` if not known, `outcome` says why."""
    function_offset: int | None
    """Bytes from the function's start to the offset; `None` without a function."""
    file: str | None
    """The source file of `line`: with `inlines`, of the outermost call; `None` if not known."""
    line: int | None
    """The source line, from 1; `None` if not known."""
    inlines: tuple[InlineFrame, ...]
    """Calls inlined into this frame, innermost first."""
    is_multiple: bool
    """Whether the linker folded several functions into this code."""
    function_size: int | None = None
    """Size of the function in bytes; `None` if not known, as for a public symbol."""
    linkage_name: str | None = None
    """The function's name as it stands in the file; `None` unless requested."""


@dataclass(frozen=True, slots=True)
class ModuleResult:
    """The result for one module."""

    outcome: ModuleOutcome
    detail: str
    """One line for people; empty if there is nothing to add."""
    retry_after_seconds: float | None
    """When a retry can help; `None` if it cannot without a change."""
    skipped_records: int
    """Number of malformed lines in its symbol file that were skipped."""


@dataclass(frozen=True, slots=True)
class TierLookups:
    """Lookups in one tier during one request."""

    tier: Tier
    lookups: int
    hits: int
    bytes: int
    """Size of the hits."""
    seconds: float | None
    """Time spent on it; `None` if not measured."""


@dataclass(frozen=True, slots=True)
class ModuleDiagnostics:
    """Where the answers for one module came from."""

    frames: int
    distinct_frames: int
    pages: int
    generation: str
    """The generation of the pages that answered; empty if none did."""
    is_ingest_requested: bool
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Where an answer came from and how long it took."""

    seconds: float
    waited_seconds: float
    """The part of `seconds` spent waiting for modules."""
    is_wait_refused: bool
    """Whether it was answered without waiting because too many requests were waiting."""
    frames: int
    distinct_frames: int
    tiers: tuple[TierLookups, ...]
    """In lookup order."""
    ingests: int
    warnings: tuple[str, ...]
    """Lookups that failed and were counted as misses."""
    modules: tuple[ModuleDiagnostics, ...]
    """One for each module of the request, in the same order."""


@dataclass(frozen=True, slots=True)
class Symbolication:
    """The answer to one report."""

    stacks: tuple[tuple[SymbolicatedFrame, ...], ...]
    """One for each stack of the report, with one frame for each, in the same order."""
    modules: tuple[ModuleResult, ...]
    """One for each module of the request, in the same order."""
    diagnostics: Diagnostics | None
    """`None` unless requested."""


@dataclass(frozen=True, slots=True)
class HeldModule:
    """A module that was ingested."""

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
    """Number of malformed lines of its symbol file, by kind of record; of a native file,
    `unnamed_inlines` counts inline frames without a name."""
    supplier: str
    ingested_at: datetime | None
    """When its ingest ended, in UTC; `None` if not known."""
    ingest_seconds: float
    fetched_bytes: int
    format: str
    """The format of its file: `breakpad`, `elf`, `pe`, `pdb`, `macho` or `wasm`."""
    has_debug_info: bool
    """False if the names come from a symbol table alone."""
    notes: tuple[str, ...]
    """What its file refers to and the server does not read, for humans."""


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What is known of one module."""

    outcome: ModuleOutcome
    detail: str
    retry_after_seconds: float | None
    """How long a failure is still remembered; `None` without a failure."""
    failed_attempts: int
    held: HeldModule | None
    """Its pages and their origin; `None` if it was not ingested."""


@dataclass(frozen=True, slots=True)
class MissingModule:
    """A module that was requested and that no supplier has."""

    module: Module
    requests: int
    """Number of requests for it since `first_seen`."""
    first_seen: datetime | None
    """In UTC, as far back as is remembered; `None` if not known."""
    last_seen: datetime | None
    """In UTC; `None` if not known."""


@dataclass(frozen=True, slots=True)
class MissingModules:
    """The modules that no supplier has."""

    modules: tuple[MissingModule, ...]
    """Most requested first, among equals the latest first."""
    total: int
    """How many are remembered, listed here or not."""


@dataclass(frozen=True, slots=True)
class RunningIngest:
    """A module that is being ingested."""

    module: Module
    worker: str
    """`host:process id`; empty if not known."""
    seconds: float | None
    """How long the worker has had it; `None` if not known."""
    attempts: int
    """Number of workers that started on it, this one included."""
    caller: str
    """Whose share of the queue it took: a token's name or an address; empty if nobody's."""
    with_linkage_names: bool = False
    """Whether it is for requests of linkage names, whose pages are others."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The modules that wait for ingest, and those being ingested."""

    awaited: int
    """Queued, and a call waits for them."""
    wanted: int
    """Queued, but no call waits for them, or no longer."""
    prefetches: int
    """Queued by a prefetch."""
    longest_wait_seconds: float | None
    """The longest time that a module has been queued; `None` if none is."""
    running: tuple[RunningIngest, ...]
    """Longest running first, at most a hundred."""
    total_running: int
    """How many are being ingested, listed here or not."""


@dataclass(frozen=True, slots=True)
class RedisInfo:
    """The state of a Redis server, as it reports it."""

    address: str
    is_reachable: bool
    detail: str
    """Why it is unreachable; empty if it is reachable."""
    product: str
    version: str
    used_memory_bytes: int
    maxmemory_bytes: int
    """0 if it has no limit."""
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
    """0 if it is disabled."""
    hits: int
    misses: int
    hit_ratio: float
    """From 0 to 1; 0 if nothing was looked up."""


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """The state of the Redis servers, and of the answering server's own tiers."""

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
