"""The client of Symbolon, a symbolication server.

    from symbolon import Client, Frame, Module

    with Client("127.0.0.1:50051") as client:
        answer = client.symbolicate([Module("xul.pdb", debug_id)], [[Frame(0, 0x1A2F)]])

`AsyncClient` is the same for asyncio. Errors are in `symbolon.errors`, text for people is made by
`symbolon.text`, `symbolon.testing` has a fake server for tests, and `symbolon.v1` the generated
messages and stubs. Modules with an underscore are private.
"""

from typing import TYPE_CHECKING

from symbolon._batching.progress import Progress
from symbolon._messages.answers import ReportResult
from symbolon._messages.encoding import AnyReport, EncodedReport, Report
from symbolon.async_client import AsyncClient
from symbolon.client import Client
from symbolon.errors import (
    ClosedError,
    DeadlineError,
    FieldViolation,
    InvalidCredentialsError,
    InvalidReportError,
    InvalidRequestError,
    InvalidTargetError,
    MessageTooLargeError,
    NotAllowedError,
    NotOfferedError,
    ServerBusyError,
    ServerDefectError,
    ServerUnreachableError,
    SymbolonError,
)
from symbolon.explanations import (
    DecidingSymbol,
    ExplainedPage,
    ExplainedRange,
    ExplainedTier,
    Explanation,
    PublicSymbolVerdict,
    SupplierAttempt,
    SupplierOutcome,
    SupplierRound,
    SymbolKind,
)
from symbolon.reports import Frame, Module
from symbolon.results import (
    Diagnostics,
    FrameOutcome,
    HeldModule,
    InlineFrame,
    MissingModule,
    MissingModules,
    ModuleDiagnostics,
    ModuleInfo,
    ModuleOutcome,
    ModuleResult,
    Queue,
    RedisInfo,
    RunningIngest,
    StoreInfo,
    SymbolicatedFrame,
    Symbolication,
    Tier,
    TierInfo,
    TierLookups,
)

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Look up `__version__` on demand: that takes longer than the rest of the import."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 # on demand

        try:
            return version("symbolon-grpc")
        except PackageNotFoundError:  # a checkout that is not installed
            return "unknown"


__all__ = [
    "AnyReport",
    "AsyncClient",
    "Client",
    "ClosedError",
    "DeadlineError",
    "DecidingSymbol",
    "Diagnostics",
    "EncodedReport",
    "ExplainedPage",
    "ExplainedRange",
    "ExplainedTier",
    "Explanation",
    "FieldViolation",
    "Frame",
    "FrameOutcome",
    "HeldModule",
    "InlineFrame",
    "InvalidCredentialsError",
    "InvalidReportError",
    "InvalidRequestError",
    "InvalidTargetError",
    "MessageTooLargeError",
    "MissingModule",
    "MissingModules",
    "Module",
    "ModuleDiagnostics",
    "ModuleInfo",
    "ModuleOutcome",
    "ModuleResult",
    "NotAllowedError",
    "NotOfferedError",
    "Progress",
    "PublicSymbolVerdict",
    "Queue",
    "RedisInfo",
    "Report",
    "ReportResult",
    "RunningIngest",
    "ServerBusyError",
    "ServerDefectError",
    "ServerUnreachableError",
    "StoreInfo",
    "SupplierAttempt",
    "SupplierOutcome",
    "SupplierRound",
    "SymbolKind",
    "SymbolicatedFrame",
    "Symbolication",
    "SymbolonError",
    "Tier",
    "TierInfo",
    "TierLookups",
]
