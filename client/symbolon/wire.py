"""Requests and answers between plain values and protobuf messages; no network here."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from enum import Enum
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from symbolon import results
from symbolon.errors import FieldViolation, InvalidRequestError
from symbolon.reports import Frame, Module
from symbolon.v1 import (
    diagnostics_pb2,
    module_pb2,
    module_service_pb2,
    stack_pb2,
    store_service_pb2,
    symbolication_service_pb2,
)

OutcomeT = TypeVar("OutcomeT", bound=Enum)


def encode_request(
    modules: Sequence[Module],
    stacks: Sequence[Sequence[Frame]],
    max_wait_seconds: float | None = None,
    with_diagnostics: bool = False,
) -> symbolication_service_pb2.SymbolicateRequest:
    """Return the request for one report.

    Raises `InvalidRequestError` for what no message can hold; the rest is the server's to judge.
    """
    request = symbolication_service_pb2.SymbolicateRequest(with_diagnostics=with_diagnostics)
    for index, module in enumerate(modules):
        request.modules.append(encode_module(module, f"modules[{index}]"))
    for stack_index, stack in enumerate(stacks):
        encoded = request.stacks.add()
        for frame_index, frame in enumerate(stack):
            field = f"stacks[{stack_index}].frames[{frame_index}]"
            encoded.frames.append(_encode_frame(frame, field))
    if max_wait_seconds is not None:
        request.max_wait.CopyFrom(_encode_wait(max_wait_seconds))
    return request


def encode_module(module: Module, field: str = "module") -> module_pb2.Module:
    """Return the message for a module; `field` is what an error calls it."""
    try:
        return module_pb2.Module(
            debug_file=module.debug_file,
            debug_id=module.debug_id,
            code_file=module.code_file,
            code_id=module.code_id,
        )
    except (TypeError, ValueError) as error:  # UnicodeEncodeError of a lone surrogate is one
        raise _refuse(field, f"{module!r} is no module: {error}") from error


def _encode_frame(frame: Frame, field: str) -> stack_pb2.Frame:
    try:
        return stack_pb2.Frame(
            module_index=frame.module_index,
            module_offset=frame.module_offset,
            is_return_address=frame.is_return_address,
        )
    except (TypeError, ValueError) as error:
        raise _refuse(field, f"{frame!r} is no frame: {error}") from error


def _encode_wait(seconds: float) -> Duration:
    wait = Duration()
    try:
        wait.FromNanoseconds(round(seconds * 1e9))
    except (OverflowError, TypeError, ValueError) as error:
        raise _refuse("max_wait", f"{seconds!r} is no duration in seconds: {error}") from error
    return wait


def _refuse(field: str, description: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: {description}", (FieldViolation(field, description),))


def decode_response(
    response: symbolication_service_pb2.SymbolicateResponse,
) -> results.Symbolication:
    """Return the answer to one report."""
    return results.Symbolication(
        stacks=tuple(
            tuple(_decode_frame(frame) for frame in stack.frames) for stack in response.stacks
        ),
        modules=tuple(_decode_module_result(module) for module in response.modules),
        diagnostics=(
            _decode_diagnostics(response.diagnostics) if response.HasField("diagnostics") else None
        ),
    )


def _decode_frame(frame: stack_pb2.SymbolicatedFrame) -> results.SymbolicatedFrame:
    function = frame.function or None
    return results.SymbolicatedFrame(
        module=frame.module,
        module_offset=frame.module_offset,
        outcome=_decode_enum(results.FrameOutcome, frame.outcome),
        function=function,
        function_offset=None if function is None else frame.function_offset,
        file=frame.file or None,
        line=frame.line or None,
        inlines=tuple(_decode_inline(inline) for inline in frame.inlines),
        is_multiple=frame.is_multiple,
    )


def _decode_inline(inline: stack_pb2.InlineFrame) -> results.InlineFrame:
    return results.InlineFrame(inline.function, inline.file or None, inline.line or None)


def _decode_module_result(module: module_pb2.ModuleResult) -> results.ModuleResult:
    return results.ModuleResult(
        outcome=_decode_enum(results.ModuleOutcome, module.outcome),
        detail=module.detail,
        retry_after_seconds=_decode_seconds(module, "retry_after"),
        skipped_records=module.skipped_records,
    )


def _decode_diagnostics(diagnostics: diagnostics_pb2.Diagnostics) -> results.Diagnostics:
    return results.Diagnostics(
        seconds=_decode_seconds(diagnostics, "duration") or 0.0,
        waited_seconds=_decode_seconds(diagnostics, "waited") or 0.0,
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
        tier=_decode_enum(results.Tier, lookups.tier),
        lookups=lookups.lookups,
        hits=lookups.hits,
        bytes=lookups.bytes,
        seconds=_decode_seconds(lookups, "duration"),
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
        waited_seconds=_decode_seconds(module, "waited") or 0.0,
    )


def decode_module_info(response: module_service_pb2.GetModuleResponse) -> results.ModuleInfo:
    """Return what is known of one module."""
    return results.ModuleInfo(
        outcome=_decode_enum(results.ModuleOutcome, response.outcome),
        detail=response.detail,
        retry_after_seconds=_decode_seconds(response, "retry_after"),
        failed_attempts=response.failed_attempts,
        held=_decode_held(response.held) if response.HasField("held") else None,
    )


def _decode_held(held: module_service_pb2.HeldModule) -> results.HeldModule:
    module = held.module
    is_dated = held.HasField("ingested_at")
    return results.HeldModule(
        module=Module(module.debug_file, module.debug_id, module.code_file, module.code_id),
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
        ingested_at=held.ingested_at.ToDatetime(UTC) if is_dated else None,
        ingest_seconds=_decode_seconds(held, "ingest_duration") or 0.0,
        fetched_bytes=held.fetched_bytes,
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
        server_uptime_seconds=_decode_seconds(response, "server_uptime") or 0.0,
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
        uptime_seconds=_decode_seconds(redis, "uptime") or 0.0,
    )


def _decode_tiers(tiers: Iterable[store_service_pb2.TierInfo]) -> Iterable[results.TierInfo]:
    for tier in tiers:
        yield results.TierInfo(
            tier=_decode_enum(results.Tier, tier.tier),
            entries=tier.entries,
            bytes=tier.bytes,
            max_bytes=tier.max_bytes,
            hits=tier.hits,
            misses=tier.misses,
            hit_ratio=tier.hit_ratio,
        )


def _decode_enum(kind: type[OutcomeT], number: int) -> OutcomeT:
    """Return the member of that number; a newer server's numbers are `UNSPECIFIED`."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def _decode_seconds(message: Message, field: str) -> float | None:
    """Return a field of type Duration in seconds, `None` when it is unset."""
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    return duration.ToNanoseconds() / 1e9
