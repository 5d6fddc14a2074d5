"""Parts of responses: outcomes of modules, diagnostics, times."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon.v1 import diagnostics_pb2, module_pb2, tier_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.symbolication.memory.queries import (
    Diagnostics,
    ModuleCounts,
    ModuleResult,
)


def encode_duration(seconds: float) -> Duration:
    """Return a duration, rounded to nanoseconds."""
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
    message = module_pb2.ModuleResult(
        outcome=module_pb2.ModuleOutcome.ValueType(result.outcome),
        detail=result.detail,
        skipped_records=result.skipped_records,
    )
    if result.retry_after_seconds is not None:
        message.retry_after.CopyFrom(encode_duration(result.retry_after_seconds))
    return message


@lru_cache(1024)
def encode_result_field(result: ModuleResult) -> bytes:
    """Return a result as a field of the response."""
    return SymbolicateResponse(modules=[encode_result(result)]).SerializeToString()


def encode_diagnostics(counts: Diagnostics) -> diagnostics_pb2.Diagnostics:
    """Return what a call cost."""
    message = diagnostics_pb2.Diagnostics(
        duration=encode_duration(counts.seconds),
        is_wait_refused=counts.is_wait_refused,
        frames=counts.frames,
        distinct_frames=counts.distinct_frames,
        tiers=_encode_tiers(counts),
        ingests=counts.ingests,
        warnings=counts.warnings,
        modules=_encode_modules(counts.modules),
    )
    if counts.waited_seconds is not None:
        message.waited.CopyFrom(encode_duration(counts.waited_seconds))
    return message


def _encode_tiers(counts: Diagnostics) -> Iterator[diagnostics_pb2.TierLookups]:
    for name, tier in sorted(counts.tiers.items()):
        message = diagnostics_pb2.TierLookups(
            tier=tier_pb2.Tier.ValueType(name),
            lookups=tier.lookups,
            hits=tier.hits,
            bytes=tier.stored_bytes,
        )
        if tier.seconds:
            message.duration.CopyFrom(encode_duration(tier.seconds))
        yield message


def _encode_modules(
    modules: Iterable[ModuleCounts],
) -> Iterator[diagnostics_pb2.ModuleDiagnostics]:
    for counts in modules:
        message = diagnostics_pb2.ModuleDiagnostics(
            frames=counts.frames,
            distinct_frames=counts.distinct_frames,
            pages=counts.pages,
            generation=counts.generation,
            is_ingest_requested=counts.is_ingest_requested,
        )
        if counts.waited_seconds is not None:
            message.waited.CopyFrom(encode_duration(counts.waited_seconds))
        yield message
