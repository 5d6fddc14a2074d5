"""What the suppliers said about a module, as Symbolicator's `candidates`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from symbolon.explanations import SupplierAttempt, SupplierOutcome, SupplierRound
from symbolon.results import HeldModule

_NO_PATH: Final = "No object files listed on this source"
"""Where a supplier has no place for such a module, in Symbolicator's words."""


def write_features(held: HeldModule | None) -> dict[str, bool]:
    """Return what the file of a module has, as far as it was read."""
    return {
        "has_debug_info": held is not None and held.has_debug_info,
        "has_unwind_info": False,
        "has_symbols": held is not None and held.public_symbols > 0,
        "has_sources": False,
    }


def write_candidates(
    round_: SupplierRound | None, features: Mapping[str, bool]
) -> Sequence[Mapping[str, Any]]:
    """Return one candidate for each file that was requested, by supplier and path."""
    attempts = () if round_ is None else round_.attempts
    each = {(one.supplier, one.path or _NO_PATH): one for one in attempts}
    return [
        {"source": source, "location": location, **_write_attempt(attempt, features)}
        for (source, location), attempt in sorted(each.items(), key=lambda item: item[0])
    ]


def _write_attempt(attempt: SupplierAttempt, features: Mapping[str, bool]) -> Mapping[str, Any]:
    if attempt.outcome is SupplierOutcome.FOUND:
        return {"download": {"status": "ok", "features": features}, "debug": {"status": "ok"}}
    if attempt.outcome is SupplierOutcome.MISSING:
        return {"download": {"status": "notfound"}}
    if attempt.outcome is SupplierOutcome.MALFORMED:
        return {"download": {"status": "malformed"}}
    return {"download": {"status": "error", "details": attempt.detail}}
