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
    from symbolon._public import (
        AnyReport,
        AsyncClient,
        Client,
        ClosedError,
        DeadlineError,
        DecidingSymbol,
        Diagnostics,
        EncodedReport,
        ExplainedPage,
        ExplainedRange,
        ExplainedTier,
        Explanation,
        FieldViolation,
        Frame,
        FrameOutcome,
        HeldModule,
        InlineFrame,
        InvalidCredentialsError,
        InvalidReportError,
        InvalidRequestError,
        InvalidTargetError,
        MessageTooLargeError,
        MissingModule,
        MissingModules,
        Module,
        ModuleDiagnostics,
        ModuleInfo,
        ModuleOutcome,
        ModuleResult,
        NotAllowedError,
        NotOfferedError,
        Progress,
        PublicSymbolVerdict,
        Queue,
        RedisInfo,
        Report,
        ReportResult,
        RunningIngest,
        ServerBusyError,
        ServerDefectError,
        ServerUnreachableError,
        StoreInfo,
        SupplierAttempt,
        SupplierOutcome,
        SupplierRound,
        SymbolicatedFrame,
        Symbolication,
        SymbolKind,
        SymbolonError,
        Tier,
        TierInfo,
        TierLookups,
    )

    __version__: str
else:

    def __getattr__(name: str) -> Any:
        """Import the public names when one is first used, so not for `symbolon.v1` alone."""
        if name == "__version__":
            return _find_version()
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        public = import_module("symbolon._public")
        globals().update({each: getattr(public, each) for each in __all__})
        return globals()[name]

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
