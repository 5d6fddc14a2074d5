"""From protobuf messages to plain values."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from symbolon import explanations, results
from symbolon.reports import Module

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from symbolon.v1 import (
        diagnostics_pb2,
        explanation_pb2,
        module_pb2,
        module_service_pb2,
        stack_pb2,
        store_service_pb2,
    )

OutcomeT = TypeVar("OutcomeT", bound=Enum)
ValueT = TypeVar("ValueT", bound="DataclassInstance")


def decode_frame(frame: stack_pb2.SymbolicatedFrame) -> results.SymbolicatedFrame:
    """Return one frame of an answer."""
    function = frame.function or None
    return results.SymbolicatedFrame(
        module=frame.module,
        module_offset=frame.module_offset,
        outcome=decode_enum(results.FrameOutcome, frame.outcome),
        function=function,
        function_offset=None if function is None else frame.function_offset,
        file=frame.file or None,
        line=frame.line or None,
        inlines=tuple(map(decode_inline, frame.inlines)),
        is_multiple=frame.is_multiple,
        function_size=frame.function_size or None,
    )


def decode_inline(inline: stack_pb2.InlineFrame) -> results.InlineFrame:
    """Return an inlined call."""
    return results.InlineFrame(inline.function, inline.file or None, inline.line or None)


def decode_module_result(module: module_pb2.ModuleResult) -> results.ModuleResult:
    """Return the result for one module."""
    return results.ModuleResult(
        outcome=decode_enum(results.ModuleOutcome, module.outcome),
        detail=module.detail,
        retry_after_seconds=decode_seconds(module, "retry_after"),
        skipped_records=module.skipped_records,
    )


def decode_diagnostics(diagnostics: diagnostics_pb2.Diagnostics) -> results.Diagnostics:
    """Return where an answer came from."""
    return _copy(
        results.Diagnostics,
        diagnostics,
        seconds=decode_seconds(diagnostics, "duration") or 0.0,
        waited_seconds=decode_seconds(diagnostics, "waited") or 0.0,
        tiers=tuple(
            _copy(
                results.TierLookups,
                lookups,
                tier=decode_enum(results.Tier, lookups.tier),
                seconds=decode_seconds(lookups, "duration"),
            )
            for lookups in diagnostics.tiers
        ),
        warnings=tuple(diagnostics.warnings),
        modules=tuple(
            _copy(
                results.ModuleDiagnostics,
                module,
                waited_seconds=decode_seconds(module, "waited") or 0.0,
            )
            for module in diagnostics.modules
        ),
    )


def decode_module_info(response: module_service_pb2.GetModuleResponse) -> results.ModuleInfo:
    """Return what is known of one module."""
    return results.ModuleInfo(
        outcome=decode_enum(results.ModuleOutcome, response.outcome),
        detail=response.detail,
        retry_after_seconds=decode_seconds(response, "retry_after"),
        failed_attempts=response.failed_attempts,
        held=_decode_held(response.held) if response.HasField("held") else None,
    )


def _decode_held(held: module_service_pb2.HeldModule) -> results.HeldModule:
    return _copy(
        results.HeldModule,
        held,
        module=_decode_module(held.module),
        skipped_records=dict(held.skipped_records),
        ingested_at=decode_time(held, "ingested_at"),
        ingest_seconds=decode_seconds(held, "ingest_duration") or 0.0,
    )


def decode_invalidated_modules(
    response: module_service_pb2.InvalidateModulesResponse,
) -> tuple[results.ModuleOutcome, ...]:
    """Return the outcome of each module before it was invalidated."""
    return tuple(
        decode_enum(results.ModuleOutcome, module.previous_outcome) for module in response.modules
    )


def decode_missing_modules(
    response: module_service_pb2.ListMissingModulesResponse,
) -> results.MissingModules:
    """Return the modules that no supplier has."""
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
    """Return the state of the queue."""
    return _copy(
        results.Queue,
        response,
        longest_wait_seconds=decode_seconds(response, "longest_wait"),
        running=tuple(
            _copy(
                results.RunningIngest,
                ingest,
                module=_decode_module(ingest.module),
                seconds=decode_seconds(ingest, "duration"),
            )
            for ingest in response.running
        ),
    )


def decode_store_info(response: store_service_pb2.GetStoreInfoResponse) -> results.StoreInfo:
    """Return the state of the Redis servers and of the server's own tiers."""
    return _copy(
        results.StoreInfo,
        response,
        store=_decode_redis(response.store),
        cache=_decode_redis(response.cache),
        tiers=tuple(
            _copy(results.TierInfo, tier, tier=decode_enum(results.Tier, tier.tier))
            for tier in response.tiers
        ),
        warnings=tuple(response.warnings),
        server_uptime_seconds=decode_seconds(response, "server_uptime") or 0.0,
    )


def _decode_redis(redis: store_service_pb2.RedisInfo) -> results.RedisInfo:
    uptime = decode_seconds(redis, "uptime") or 0.0
    return _copy(results.RedisInfo, redis, uptime_seconds=uptime)


def decode_explanation(
    response: module_service_pb2.ExplainFrameResponse,
) -> explanations.Explanation:
    """Return everything that led to the answer for one frame."""
    return _copy(
        explanations.Explanation,
        response,
        frame=decode_frame(response.frame),
        module=decode_module_result(response.module),
        tiers=tuple(map(_decode_tier, response.tiers)),
        held=_decode_held(response.held) if response.HasField("held") else None,
        page=_decode_page(response.page) if response.HasField("page") else None,
        ranges=tuple(map(_decode_range, response.ranges)),
        public_symbol_verdict=decode_enum(
            explanations.PublicSymbolVerdict, response.public_symbol_verdict
        ),
        deciding_symbol=(
            _decode_symbol(response.deciding_symbol)
            if response.HasField("deciding_symbol")
            else None
        ),
        suppliers=_decode_round(response.suppliers) if response.HasField("suppliers") else None,
        warnings=tuple(response.warnings),
    )


def _decode_tier(tier: explanation_pb2.ExplainedTier) -> explanations.ExplainedTier:
    return _copy(
        explanations.ExplainedTier,
        tier,
        tier=decode_enum(results.Tier, tier.tier),
        seconds=decode_seconds(tier, "duration"),
    )


def _decode_page(page: explanation_pb2.ExplainedPage) -> explanations.ExplainedPage:
    return _copy(
        explanations.ExplainedPage,
        page,
        end_offset=page.end_offset if page.HasField("end_offset") else None,
        tier=decode_enum(results.Tier, page.tier),
    )


def _decode_range(part: explanation_pb2.ExplainedRange) -> explanations.ExplainedRange:
    return _copy(
        explanations.ExplainedRange,
        part,
        end_offset=part.end_offset if part.HasField("end_offset") else None,
        kind=decode_enum(explanations.SymbolKind, part.kind),
        file=part.file or None,
        line=part.line or None,
        inlines=tuple(map(decode_inline, part.inlines)),
    )


def _decode_symbol(symbol: explanation_pb2.DecidingSymbol) -> explanations.DecidingSymbol:
    return _copy(
        explanations.DecidingSymbol,
        symbol,
        kind=decode_enum(explanations.SymbolKind, symbol.kind),
        end=symbol.end if symbol.HasField("end") else None,
    )


def _decode_round(suppliers: explanation_pb2.SupplierRound) -> explanations.SupplierRound:
    return explanations.SupplierRound(
        attempts=tuple(
            _copy(
                explanations.SupplierAttempt,
                attempt,
                outcome=decode_enum(explanations.SupplierOutcome, attempt.outcome),
                seconds=decode_seconds(attempt, "duration"),
            )
            for attempt in suppliers.attempts
        ),
        ended_at=decode_time(suppliers, "ended_at"),
        seconds=decode_seconds(suppliers, "duration"),
    )


def _decode_module(module: module_pb2.Module) -> Module:
    return _copy(Module, module)


def _copy(kind: type[ValueT], message: Message, /, **others: Any) -> ValueT:
    """Return a value of `others` and, for the rest, the message's fields of the same names.

    Fields that are messages, repeated or optional are always among `others`.
    """
    names = (field.name for field in fields(kind) if field.name not in others)
    return kind(**{name: getattr(message, name) for name in names}, **others)


def decode_enum(kind: type[OutcomeT], number: int) -> OutcomeT:
    """Return the member of that number; an unknown one, of a newer server, is `UNSPECIFIED`."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def decode_seconds(message: Message, field: str) -> float | None:
    """Return a field of type Duration in seconds, or `None` if it is unset."""
    if not message.HasField(field):
        return None
    return float(getattr(message, field).ToNanoseconds() / 1e9)


def decode_time(message: Message, field: str) -> datetime | None:
    """Return a field of type Timestamp in UTC, or `None` if it is unset."""
    if not message.HasField(field):
        return None
    time: datetime = getattr(message, field).ToDatetime(UTC)
    return time
