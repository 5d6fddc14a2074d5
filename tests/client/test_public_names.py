"""What users may import: everything else of the package begins with an underscore."""

import importlib
import pkgutil
import subprocess
import sys
from inspect import getmembers, isfunction
from typing import get_type_hints

import pytest

import symbolon

PUBLIC_NAMES = """
    AnyReport AsyncClient Client ClosedError DeadlineError DecidingSymbol Diagnostics EncodedReport
    ExplainedPage ExplainedRange ExplainedTier Explanation FieldViolation Frame
    FrameOutcome HeldModule InlineFrame InvalidCredentialsError InvalidReportError
    InvalidRequestError InvalidTargetError MessageTooLargeError MissingModule MissingModules Module
    ModuleDiagnostics ModuleInfo ModuleOutcome ModuleResult NotAllowedError NotOfferedError Progress
    PublicSymbolVerdict Queue RedisInfo Report ReportResult RunningIngest ServerBusyError
    ServerDefectError ServerUnreachableError StoreInfo SupplierAttempt SupplierOutcome SupplierRound
    SymbolKind SymbolicatedFrame Symbolication SymbolonError Tier TierInfo TierLookups
"""
"""What `symbolon` itself offers. Removing or renaming one breaks users' programs."""

PUBLIC_MODULES = [
    "async_client",
    "client",
    "errors",
    "explanations",
    "reports",
    "results",
    "testing",
    "text",
    "v1",
]
"""`testing` and `text` are imported by name, `v1` is generated; the root offers the rest."""

PROGRAM = ["__main__", "command_line"]
"""The command line is used as a program, not imported."""


def test_the_root_offers_these_names() -> None:
    assert symbolon.__all__ == sorted(PUBLIC_NAMES.split())


def test_what_is_not_public_begins_with_an_underscore() -> None:
    modules = [module.name for module in pkgutil.iter_modules(symbolon.__path__)]
    offered = [name for name in modules if not name.startswith("_") or name in PROGRAM]
    assert offered == sorted([*PUBLIC_MODULES, *PROGRAM])


def test_public_modules_can_be_imported_by_themselves() -> None:
    for name in PUBLIC_MODULES:
        importlib.import_module(f"symbolon.{name}")


def test_every_public_name_is_found_in_the_package() -> None:
    for name in symbolon.__all__:
        assert getattr(symbolon, name).__module__.startswith("symbolon.")


def test_the_root_imports_only_what_a_name_needs() -> None:
    program = "import sys; from symbolon import Client, Frame, Module; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(said.stdout.decode().split())
    assert "symbolon.client" in loaded
    assert loaded.isdisjoint({"symbolon.async_client", "symbolon.explanations", "symbolon.text"})


def test_the_root_lists_its_names_before_it_imports_them() -> None:
    program = "import symbolon; print(*(name for name in dir(symbolon) if name[0] != '_'))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert set(said.stdout.decode().split()) >= set(symbolon.__all__)


@pytest.mark.parametrize("client", [symbolon.Client, symbolon.AsyncClient])
def test_the_types_of_all_calls_are_known_at_run_time(client: type) -> None:
    """As checkers of types at run time and generators of documentation read them."""
    hints = {name: get_type_hints(call) for name, call in getmembers(client, isfunction)}
    assert hints["explain_frame"]["return"] is symbolon.Explanation


def test_a_name_that_the_root_does_not_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Klient'"):
        _ = symbolon.Klient  # type: ignore[attr-defined] # it is misspelt
