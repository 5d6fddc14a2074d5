"""The client of Symbolon, a server that symbolicates crash stacks.

    from symbolon import Client, Frame, Module

    with Client("127.0.0.1:50051") as client:
        answer = client.symbolicate([Module("xul.pdb", debug_id)], [[Frame(0, 0x1A2F)]])

The generated messages and stubs are in `symbolon.v1`.
"""

from symbolon.client import Client
from symbolon.errors import (
    DeadlineError,
    FieldViolation,
    InvalidCredentialsError,
    InvalidReportError,
    InvalidRequestError,
    MessageTooLargeError,
    NotAllowedError,
    NotOfferedError,
    ServerBusyError,
    ServerDefectError,
    ServerUnreachableError,
    SymbolonError,
)
from symbolon.reports import Frame, Module
from symbolon.results import (
    Diagnostics,
    FrameOutcome,
    HeldModule,
    InlineFrame,
    ModuleDiagnostics,
    ModuleInfo,
    ModuleOutcome,
    ModuleResult,
    RedisInfo,
    StoreInfo,
    SymbolicatedFrame,
    Symbolication,
    Tier,
    TierInfo,
    TierLookups,
)

__all__ = [
    "Client",
    "DeadlineError",
    "Diagnostics",
    "FieldViolation",
    "Frame",
    "FrameOutcome",
    "HeldModule",
    "InlineFrame",
    "InvalidCredentialsError",
    "InvalidReportError",
    "InvalidRequestError",
    "MessageTooLargeError",
    "Module",
    "ModuleDiagnostics",
    "ModuleInfo",
    "ModuleOutcome",
    "ModuleResult",
    "NotAllowedError",
    "NotOfferedError",
    "RedisInfo",
    "ServerBusyError",
    "ServerDefectError",
    "ServerUnreachableError",
    "StoreInfo",
    "SymbolicatedFrame",
    "Symbolication",
    "SymbolonError",
    "Tier",
    "TierInfo",
    "TierLookups",
]
