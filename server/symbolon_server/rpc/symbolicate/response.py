"""Parts of responses: outcomes of modules, diagnostics, times."""

from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon.v1 import diagnostics_pb2, module_pb2, tier_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.symbolication.memory.queries import (
    Diagnostics,
    ModuleResult,
)


def encode_duration(seconds: float | None) -> Duration | None:
    """Return a duration, rounded to nanoseconds, or None, which leaves a field unset."""
    if seconds is None:
        return None
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def encode_time(unix_seconds: float) -> Timestamp:
    """Return a point in time, rounded to nanoseconds."""
    timestamp = Timestamp()
    timestamp.FromNanoseconds(round(unix_seconds * 1e9))
    return timestamp


def encode_result(result: ModuleResult) -> module_pb2.ModuleResult:
    """Return the outcome of a module."""
    return module_pb2.ModuleResult(
        outcome=module_pb2.ModuleOutcome.ValueType(result.outcome),
        detail=result.detail,
        retry_after=encode_duration(result.retry_after_seconds),
        skipped_records=result.skipped_records,
    )


@lru_cache(1024)
def encode_result_field(result: ModuleResult) -> bytes:
    """Return a result as a field of the response."""
    return SymbolicateResponse(modules=[encode_result(result)]).SerializeToString()


def encode_diagnostics(counts: Diagnostics) -> diagnostics_pb2.Diagnostics:
    """Return what a call cost."""
    return diagnostics_pb2.Diagnostics(
        duration=encode_duration(counts.seconds),
        waited=encode_duration(counts.waited_seconds),
        is_wait_refused=counts.is_wait_refused,
        frames=counts.frames,
        distinct_frames=counts.distinct_frames,
        tiers=[
            diagnostics_pb2.TierLookups(
                tier=tier_pb2.Tier.ValueType(name),
                lookups=tier.lookups,
                hits=tier.hits,
                bytes=tier.stored_bytes,
                duration=encode_duration(tier.seconds or None),
            )
            for name, tier in sorted(counts.tiers.items())
        ],
        ingests=counts.ingests,
        warnings=counts.warnings,
        modules=[
            diagnostics_pb2.ModuleDiagnostics(
                frames=module.frames,
                distinct_frames=module.distinct_frames,
                pages=module.pages,
                generation=module.generation,
                is_ingest_requested=module.is_ingest_requested,
                waited=encode_duration(module.waited_seconds),
            )
            for module in counts.modules
        ],
    )
