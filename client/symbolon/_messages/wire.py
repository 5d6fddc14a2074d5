"""From protobuf messages to plain values; no network here."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon import results
from symbolon.reports import Module
from symbolon.v1 import (
    diagnostics_pb2,
    module_pb2,
    module_service_pb2,
    stack_pb2,
    store_service_pb2,
)

OutcomeT = TypeVar("OutcomeT", bound=Enum)


def decode_frame(frame: stack_pb2.SymbolicatedFrame) -> results.SymbolicatedFrame:
    """Return what is known of one frame."""
    function = frame.function or None
    return results.SymbolicatedFrame(
        module=frame.module,
        module_offset=frame.module_offset,
        outcome=decode_enum(results.FrameOutcome, frame.outcome),
        function=function,
        function_offset=None if function is None else frame.function_offset,
        file=frame.file or None,
        line=frame.line or None,
        inlines=tuple(decode_inline(inline) for inline in frame.inlines),
        is_multiple=frame.is_multiple,
        function_size=frame.function_size or None,
    )


def decode_inline(inline: stack_pb2.InlineFrame) -> results.InlineFrame:
    """Return a call that was dissolved into its caller."""
    return results.InlineFrame(inline.function, inline.file or None, inline.line or None)


def decode_module_result(module: module_pb2.ModuleResult) -> results.ModuleResult:
    """Return what became of one module."""
    return results.ModuleResult(
        outcome=decode_enum(results.ModuleOutcome, module.outcome),
        detail=module.detail,
        retry_after_seconds=decode_seconds(module, "retry_after"),
        skipped_records=module.skipped_records,
    )


def decode_diagnostics(diagnostics: diagnostics_pb2.Diagnostics) -> results.Diagnostics:
    """Return where an answer came from."""
    return results.Diagnostics(
        seconds=decode_seconds(diagnostics, "duration") or 0.0,
        waited_seconds=decode_seconds(diagnostics, "waited") or 0.0,
        is_wait_refused=diagnostics.is_wait_refused,
        frames=diagnostics.frames,
        distinct_frames=diagnostics.distinct_frames,
        tiers=tuple(_decode_lookups(tier) for tier in diagnostics.tiers),
        ingests=diagnostics.ingests,
        warnings=tuple(diagnostics.warnings),
        modules=tuple(_decode_module_diagnostics(module) for module in diagnostics.modules),
    )


def _decode_lookups(lookups: diagnostics_pb2.TierLookups) -> results.TierLookups:
    return results.TierLookups(
        tier=decode_enum(results.Tier, lookups.tier),
        lookups=lookups.lookups,
        hits=lookups.hits,
        bytes=lookups.bytes,
        seconds=decode_seconds(lookups, "duration"),
    )


def _decode_module_diagnostics(
    module: diagnostics_pb2.ModuleDiagnostics,
) -> results.ModuleDiagnostics:
    return results.ModuleDiagnostics(
        frames=module.frames,
        distinct_frames=module.distinct_frames,
        pages=module.pages,
        generation=module.generation,
        is_ingest_requested=module.is_ingest_requested,
        waited_seconds=decode_seconds(module, "waited") or 0.0,
    )


def decode_module_info(response: module_service_pb2.GetModuleResponse) -> results.ModuleInfo:
    """Return what is known of one module."""
    return results.ModuleInfo(
        outcome=decode_enum(results.ModuleOutcome, response.outcome),
        detail=response.detail,
        retry_after_seconds=decode_seconds(response, "retry_after"),
        failed_attempts=response.failed_attempts,
        held=decode_held(response.held) if response.HasField("held") else None,
    )


def decode_held(held: module_service_pb2.HeldModule) -> results.HeldModule:
    """Return a module whose pages were made."""
    return results.HeldModule(
        module=_decode_module(held.module),
        name=held.name,
        os=held.os,
        architecture=held.architecture,
        generation=held.generation,
        pages=held.pages,
        stored_bytes=held.stored_bytes,
        functions=held.functions,
        public_symbols=held.public_symbols,
        ranges=held.ranges,
        skipped_records=dict(held.skipped_records),
        supplier=held.supplier,
        ingested_at=decode_time(held, "ingested_at"),
        ingest_seconds=decode_seconds(held, "ingest_duration") or 0.0,
        fetched_bytes=held.fetched_bytes,
    )


def decode_invalidated_modules(
    response: module_service_pb2.InvalidateModulesResponse,
) -> tuple[results.ModuleOutcome, ...]:
    """Return what was known of each module before it was forgotten."""
    return tuple(
        decode_enum(results.ModuleOutcome, module.previous_outcome) for module in response.modules
    )


def decode_missing_modules(
    response: module_service_pb2.ListMissingModulesResponse,
) -> results.MissingModules:
    """Return the modules that nobody has."""
    return results.MissingModules(
        modules=tuple(
            results.MissingModule(
                module=_decode_module(missing.module),
                requests=missing.requests,
                first_seen=decode_time(missing, "first_seen"),
                last_seen=decode_time(missing, "last_seen"),
            )
            for missing in response.modules
        ),
        total=response.total,
    )


def decode_queue(response: module_service_pb2.GetQueueResponse) -> results.Queue:
    """Return what is on the queue."""
    return results.Queue(
        awaited=response.awaited,
        wanted=response.wanted,
        prefetches=response.prefetches,
        longest_wait_seconds=decode_seconds(response, "longest_wait"),
        running=tuple(_decode_running(ingest) for ingest in response.running),
        total_running=response.total_running,
    )


def _decode_running(ingest: module_service_pb2.RunningIngest) -> results.RunningIngest:
    return results.RunningIngest(
        module=_decode_module(ingest.module),
        worker=ingest.worker,
        seconds=decode_seconds(ingest, "duration"),
        attempts=ingest.attempts,
        caller=ingest.caller,
    )


def decode_store_info(response: store_service_pb2.GetStoreInfoResponse) -> results.StoreInfo:
    """Return the state of the servers behind a server."""
    return results.StoreInfo(
        store=_decode_redis(response.store),
        cache=_decode_redis(response.cache),
        modules=response.modules,
        pages=response.pages,
        is_estimated=response.is_estimated,
        tiers=tuple(_decode_tiers(response.tiers)),
        queued_modules=response.queued_modules,
        warnings=tuple(response.warnings),
        server_version=response.server_version,
        server_uptime_seconds=decode_seconds(response, "server_uptime") or 0.0,
    )


def _decode_redis(redis: store_service_pb2.RedisInfo) -> results.RedisInfo:
    return results.RedisInfo(
        address=redis.address,
        is_reachable=redis.is_reachable,
        detail=redis.detail,
        product=redis.product,
        version=redis.version,
        used_memory_bytes=redis.used_memory_bytes,
        maxmemory_bytes=redis.maxmemory_bytes,
        maxmemory_policy=redis.maxmemory_policy,
        keys=redis.keys,
        evicted_keys=redis.evicted_keys,
        hits=redis.hits,
        misses=redis.misses,
        connected_clients=redis.connected_clients,
        uptime_seconds=decode_seconds(redis, "uptime") or 0.0,
    )


def _decode_tiers(tiers: Iterable[store_service_pb2.TierInfo]) -> Iterable[results.TierInfo]:
    for tier in tiers:
        yield results.TierInfo(
            tier=decode_enum(results.Tier, tier.tier),
            entries=tier.entries,
            bytes=tier.bytes,
            max_bytes=tier.max_bytes,
            hits=tier.hits,
            misses=tier.misses,
            hit_ratio=tier.hit_ratio,
        )


def decode_enum(kind: type[OutcomeT], number: int) -> OutcomeT:
    """Return the member of that number; a newer server's numbers are `UNSPECIFIED`."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def decode_seconds(message: Message, field: str) -> float | None:
    """Return a field of type Duration in seconds, `None` when it is unset."""
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    return duration.ToNanoseconds() / 1e9


def decode_time(message: Message, field: str) -> datetime | None:
    """Return a field of type Timestamp in UTC, `None` when it is unset."""
    if not message.HasField(field):
        return None
    time: Timestamp = getattr(message, field)
    return time.ToDatetime(UTC)


def _decode_module(module: module_pb2.Module) -> Module:
    return Module(module.debug_file, module.debug_id, module.code_file, module.code_id)
