"""From the messages of `ExplainFrame` to plain values."""

from symbolon import explanations as values
from symbolon._messages.wire import (
    decode_enum,
    decode_frame,
    decode_held,
    decode_inline,
    decode_module_result,
    decode_seconds,
    decode_time,
)
from symbolon.results import Tier
from symbolon.v1 import explanation_pb2, module_service_pb2


def decode_explanation(response: module_service_pb2.ExplainFrameResponse) -> values.Explanation:
    """Return what leads to the answer."""
    deciding = response.deciding_symbol if response.HasField("deciding_symbol") else None
    return values.Explanation(
        frame=decode_frame(response.frame),
        module=decode_module_result(response.module),
        looked_up_offset=response.looked_up_offset,
        tiers=tuple(map(_decode_tier, response.tiers)),
        held=decode_held(response.held) if response.HasField("held") else None,
        page=_decode_page(response.page) if response.HasField("page") else None,
        ranges=tuple(map(_decode_range, response.ranges)),
        public_symbol_verdict=decode_enum(
            values.PublicSymbolVerdict, response.public_symbol_verdict
        ),
        deciding_symbol=None if deciding is None else _decode_deciding(deciding),
        suppliers=_decode_round(response.suppliers) if response.HasField("suppliers") else None,
        failed_attempts=response.failed_attempts,
        warnings=tuple(response.warnings),
    )


def _decode_tier(tier: explanation_pb2.ExplainedTier) -> values.ExplainedTier:
    return values.ExplainedTier(
        tier=decode_enum(Tier, tier.tier),
        has_directory=tier.has_directory,
        generation=tier.generation,
        has_answer=tier.has_answer,
        bytes=tier.bytes,
        seconds=decode_seconds(tier, "duration"),
        detail=tier.detail,
    )


def _decode_page(page: explanation_pb2.ExplainedPage) -> values.ExplainedPage:
    return values.ExplainedPage(
        number=page.number,
        key=page.key,
        generation=page.generation,
        first_offset=page.first_offset,
        end_offset=page.end_offset if page.HasField("end_offset") else None,
        tier=decode_enum(Tier, page.tier),
        ranges=page.ranges,
        stored_bytes=page.stored_bytes,
    )


def _decode_range(part: explanation_pb2.ExplainedRange) -> values.ExplainedRange:
    return values.ExplainedRange(
        first_offset=part.first_offset,
        end_offset=part.end_offset if part.HasField("end_offset") else None,
        is_hit=part.is_hit,
        kind=decode_enum(values.SymbolKind, part.kind),
        function=part.function,
        function_start=part.function_start,
        file=part.file or None,
        line=part.line or None,
        inlines=tuple(map(decode_inline, part.inlines)),
        is_multiple=part.is_multiple,
    )


def _decode_deciding(symbol: explanation_pb2.DecidingSymbol) -> values.DecidingSymbol:
    return values.DecidingSymbol(
        kind=decode_enum(values.SymbolKind, symbol.kind),
        name=symbol.name,
        start=symbol.start,
        end=symbol.end if symbol.HasField("end") else None,
    )


def _decode_round(suppliers: explanation_pb2.SupplierRound) -> values.SupplierRound:
    return values.SupplierRound(
        attempts=tuple(
            values.SupplierAttempt(
                supplier=attempt.supplier,
                outcome=decode_enum(values.SupplierOutcome, attempt.outcome),
                detail=attempt.detail,
                seconds=decode_seconds(attempt, "duration"),
                fetched_bytes=attempt.fetched_bytes,
            )
            for attempt in suppliers.attempts
        ),
        ended_at=decode_time(suppliers, "ended_at"),
        seconds=decode_seconds(suppliers, "duration"),
    )
