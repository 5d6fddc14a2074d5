"""The client of Symbolon, a symbolication server.

    from symbolon import Client, Frame, Module

    with Client("127.0.0.1:50051") as client:
        answer = client.symbolicate([Module("xul.pdb", debug_id)], [[Frame(0, 0x1A2F)]])

`AsyncClient` is the same for asyncio. Errors are in `symbolon.errors`, text for people is made by
`symbolon.text`, `symbolon.testing` has a fake server for tests, and `symbolon.v1` the generated
messages and stubs. Modules with an underscore are private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

    __version__: str
else:
    _HOMES = (
        "errors",
        "reports",
        "results",
        "_messages.encoding",
        "_messages.answers",
        "_batching.progress",
        "client",
        "explanations",
        "async_client",
    )
    """Where the names are. The last ones are needed by few programs, which look for them here."""

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used, and as little as possible besides."""
        if name == "__version__":
            return _find_version()
        if name in __all__:
            for home in map(import_module, (f"symbolon.{home}" for home in _HOMES)):
                if hasattr(home, name):
                    globals()[name] = getattr(home, name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Return all names, imported or not."""
        return sorted({*globals(), *__all__, "__version__"})

    def _find_version() -> str:
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
